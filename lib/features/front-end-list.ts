// The front ends there are, one line each: the entry of a new one is all that the rest of the package needs.

export { cqtFrontEnd } from './cqt.js';
export { logMelFrontEnd } from './log-mel-front-end.js';
export { pcmFrontEnd } from './pcm.js';
