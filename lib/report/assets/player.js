// Plays the clips that a page carries.

/** The inverse of lib/report/audio-clips.ts: µ-law bytes in base64 to samples. */
function decodeClip(text) {
  const bytes = atob(text);
  const samples = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    const magnitude = (256 ** ((code & 127) / 127) - 1) / 255;
    samples[i] = code & 128 ? -magnitude : magnitude;
  }
  // A clip is cut off at its end: a short fade instead of a click.
  const fade = Math.min(400, samples.length);
  for (let i = 0; i < fade; i++) samples[samples.length - 1 - i] *= i / fade;
  return samples;
}

/** A function that plays the clip with an index, instead of the one that is playing. `ended` is called when it is over, but
 * not when another takes its place. */
globalThis.soundPlayer = (clips) => {
  let sound;
  let playing;
  return (index, ended) => {
    if (playing) playing.onended = null;
    playing?.stop();
    playing = undefined;
    if (!clips[index]) return;
    sound ??= new AudioContext();
    sound.resume();
    const samples = decodeClip(clips[index]);
    const buffer = sound.createBuffer(1, samples.length, 16000);
    buffer.copyToChannel(samples, 0);
    playing = sound.createBufferSource();
    playing.buffer = buffer;
    playing.connect(sound.destination);
    playing.onended = ended;
    playing.start();
  };
};
