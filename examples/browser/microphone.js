// The microphone of a page: samples of the wanted rate, a tenth of a second at a time.

/** Asks for the microphone and calls `onSamples` with each chunk; resolves to a function that stops. */
export async function listen(sampleRate, onSamples) {
  // The browser resamples. Its processing for telephony would change the sound.
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext({ sampleRate });
  await context.audioWorklet.addModule('microphone-worklet.js');
  const node = new AudioWorkletNode(context, 'microphone', {
    numberOfOutputs: 0,
    channelCount: 1,
    channelCountMode: 'explicit',
  });
  node.port.onmessage = ({ data }) => onSamples(data);
  context.createMediaStreamSource(stream).connect(node);
  return () => {
    for (const track of stream.getTracks()) track.stop();
    return context.close();
  };
}
