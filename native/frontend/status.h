// What computing a front end comes to, as lib/native/constants.ts has it.
#pragma once

namespace audio2vec {

enum FrontEndStatus { FRONT_END_DONE = 0, FRONT_END_NOT_FINITE = 1, FRONT_END_CANCELLED = 2 };

}  // namespace audio2vec
