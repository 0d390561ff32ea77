// Numbers that lib/native/constants.ts has, too: compared when the addon is loaded (addon/constants.cc).
#pragma once

// Added to a variance before its root; kSmallestSquare keeps the derivative of a length finite for a vector of zeros.
constexpr double kNormEpsilon = 1e-5, kLayerNormEpsilon = 1e-5, kSmallestSquare = 1e-12;

enum { kMostColumns = 64 };  // vectors that the bands of a channel may fill in a planar map
