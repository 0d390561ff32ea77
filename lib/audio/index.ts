export { MAX_RATE, MIN_RATE, resample, SAMPLE_RATE } from './convert.js';
export { type BadFile, type GoodFile, listAudio, type ReadFolderOptions, readFolder } from './folder.js';
export { type PcmChunk, type PcmFormat, type PcmOptions, PcmStream, pcmFormats, streamPcm } from './pcm-stream.js';
export { type ReadAudioOptions, readAudio, recordedRate, recordedSeconds, streamAudio } from './read.js';
export { type WriteWavOptions, writeWav } from './write-wav.js';
