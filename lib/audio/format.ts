// Tells audio formats apart by their bytes; file names may lie.
import { Audio2VecError } from '../util/errors.js';
import { findFrames, tagLength } from './decoders/mpeg.js';
import { oggCodec } from './decoders/ogg-audio.js';
import type { Source } from './source.js';

/** Formats that a separate decoder package reads. */
export type CompressedFormat = 'flac' | 'mp3' | 'ogg';
export type AudioFormat = 'wav' | CompressedFormat;

/** A format, and where in the file it is: without the tags that other programs put around it. */
export interface Recognised {
  format: AudioFormat;
  start: number;
  end: number;
}

/** Beginnings of files that people take for audio we read: where, which bytes, what to call it. */
const FOREIGN: [offset: number, magic: string, what: string][] = [
  [4, 'ftyp', 'an MPEG-4 file (AAC or ALAC, as phones record)'],
  [0, 'FORM', 'an AIFF file'],
  [0, '.snd', 'a Sun/NeXT .au file'],
  [0, 'caff', 'a Core Audio file'],
  [0, '\x1a\x45\xdf\xa3', 'a Matroska or WebM file'],
  [0, '\x30\x26\xb2\x75', 'a Windows Media file'],
  [0, 'riff', 'a Wave64 file'],
  [0, 'wvpk', 'a WavPack file'],
  [0, 'MAC ', "a Monkey's Audio file"],
  [0, '#!AMR', 'an AMR file'],
  [0, 'NIST_1A', 'a NIST SPHERE file'],
  [0, 'Creative Voice File', 'a Creative Voice file'],
  [0, 'TTA1', 'a True Audio file'],
  [0, '\x0b\x77', 'an AC-3 file'],
  [0, '\xff\xd8\xff', 'a JPEG picture'],
  [0, '\x89PNG', 'a PNG picture'],
  [0, '\xff\xf1', 'an AAC file (ADTS)'],
  [0, '\xff\xf9', 'an AAC file (ADTS)'],
];

/** The same of what is no sound at all, and what to do about it. */
const NO_AUDIO: [magic: string, what: string][] = [
  ['version https://git-lfs', 'a pointer of Git LFS, not the file itself: run "git lfs pull"'],
  ['\x1f\x8b', 'a gzip archive: unpack it'],
  ['PK\x03\x04', 'a ZIP archive: unpack it'],
  ['<!DOCTYPE', 'a web page, not a recording: download it again'],
  ['<!doctype', 'a web page, not a recording: download it again'],
  ['<html', 'a web page, not a recording: download it again'],
];

const CONVERT = 'Convert it, for example: ffmpeg -i IN OUT.flac';

/** MPEG frames are looked for so far behind the tags and zeros at the beginning. */
const SEARCH = 1 << 20;

/**
 * Recognises WAV, FLAC, MP3 and Ogg with Vorbis, Opus or FLAC.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT`, naming what it is instead where that is known.
 */
export async function recognise(source: Source): Promise<Recognised> {
  const refuse = (problem: string) => new Audio2VecError('ERR_AUDIO_FORMAT', `${source.name}: ${problem}`);
  if (source.size === 0) throw refuse('the file is empty.');
  const start = await behindLeadingTags(source);
  const head = await source.read(start, 27 + 255 + 8);
  const has = (at: number, magic: string) => isAt(head, at, magic);

  if (['RIFF', 'RIFX', 'RF64', 'BW64'].some((magic) => has(0, magic))) {
    if (!has(8, 'WAVE')) throw refuse(`a RIFF file, but not a WAVE file. ${CONVERT}`);
    return { format: 'wav', start, end: source.size };
  }
  if (has(0, 'fLaC')) return { format: 'flac', start, end: source.size };
  if (has(0, 'OggS')) {
    if (await holdsAudio(source, start)) return { format: 'ogg', start, end: source.size };
    throw refuse(`an Ogg file without Vorbis, Opus or FLAC audio at its start. ${CONVERT}`);
  }
  const mpeg = await findMpeg(source, start);
  // Any bytes may stand before MPEG audio, but hardly the beginning of another format.
  const foreign = FOREIGN.find(([offset, magic]) => has(offset, magic));
  if (foreign && mpeg !== start) throw refuse(`${foreign[2]}, which is not supported. ${CONVERT}`);
  const other = NO_AUDIO.find(([magic]) => has(0, magic));
  if (other && mpeg !== start) throw refuse(`${other[1]}.`);
  if (mpeg >= 0) return { format: 'mp3', start: mpeg, end: source.size };
  throw refuse('not an audio file that can be read: neither WAV, FLAC, MP3, Ogg Vorbis nor Opus.');
}

/** Where ID3v2 tags end, which some programs put before any format. */
async function behindLeadingTags(source: Source): Promise<number> {
  for (let at = 0; at < source.size; ) {
    const head = await source.read(at, 10);
    const length = isAt(head, 0, 'ID3') ? tagLength(head) : 0;
    if (length === 0) return at;
    at += length;
  }
  return source.size;
}

/** Whether one of the streams that begin with the file is audio; a film has others beside it. */
async function holdsAudio(source: Source, start: number): Promise<boolean> {
  for (let at = start, pages = 0; pages < 100; pages++) {
    const page = await source.read(at, 27 + 255 + 64);
    const isFirst = isAt(page, 0, 'OggS') && ((page[5] ?? 0) & 2) !== 0;
    if (!isFirst) return false;
    const lacing = page.subarray(27, 27 + (page[26] ?? 0));
    if (oggCodec(page.subarray(27 + lacing.length))) return true;
    at += 27 + lacing.length + lacing.reduce((sum, length) => sum + length, 0);
  }
  return false;
}

/** Where MPEG audio begins, behind whatever zeros and other junk; -1 if nowhere. */
async function findMpeg(source: Source, start: number): Promise<number> {
  let at = start;
  for (let zeros = true; zeros && at < source.size; ) {
    const bytes = await source.read(at, SEARCH);
    if (bytes.length === 0) break;
    const first = bytes.findIndex((byte) => byte !== 0);
    zeros = first < 0;
    at += zeros ? bytes.length : first;
  }
  const bytes = await source.read(at, SEARCH);
  const found = findFrames(bytes, 0, at + bytes.length >= source.size);
  return found < 0 ? -1 : at + found;
}

const isAt = (bytes: Uint8Array, at: number, magic: string) =>
  [...magic].every((character, i) => bytes[at + i] === character.charCodeAt(0));
