// The page: microphone or file → embedder → map. Each embedding is also an event of the document, `embedding`.
import { Embedder, SAMPLE_RATE } from './embedder.js';
import { EmbeddingMap } from './map.js';

const [microphone, file, status] = ['microphone', 'file', 'status'].map((id) => document.getElementById(id));
const map = new EmbeddingMap(document.getElementById('map'));
let embedder;
let listening;
/** Chunks are embedded one after the other, in the order they came. */
let work = Promise.resolve();

function take(samples) {
  work = work.then(async () => {
    for await (const embedding of embedder.push(samples)) {
      map.add(embedding);
      document.dispatchEvent(new CustomEvent('embedding', { detail: embedding }));
    }
  });
  return work;
}

function restart() {
  work = work.then(() => {
    embedder.reset();
    map.clear();
  });
}

async function listen() {
  // The browser resamples to the encoder's rate. Its processing for telephony would change the sound.
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  await context.audioWorklet.addModule('microphone-worklet.js');
  const node = new AudioWorkletNode(context, 'microphone', {
    numberOfOutputs: 0,
    channelCount: 1,
    channelCountMode: 'explicit',
  });
  node.port.onmessage = ({ data }) => take(data).catch(show);
  context.createMediaStreamSource(stream).connect(node);
  return () => {
    for (const track of stream.getTracks()) track.stop();
    return context.close();
  };
}

async function openRecording(recording) {
  const audio = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await recording.arrayBuffer());
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  await take(channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length));
  status.textContent = `${recording.name}: ${audio.duration.toFixed(1)} s.`;
}

const show = (error) => {
  status.textContent = `That did not work: ${error.message}`;
};

microphone.onclick = async () => {
  try {
    if (listening) {
      await listening();
      listening = undefined;
    } else {
      restart();
      listening = await listen();
    }
    microphone.textContent = listening ? 'Stop' : 'Listen to the microphone';
    status.textContent = listening ? 'Listening.' : 'Stopped.';
  } catch (error) {
    show(error);
  }
};
file.onchange = () => {
  restart();
  openRecording(file.files[0]).catch(show);
};

Embedder.load('model.onnx').then((loaded) => {
  embedder = loaded;
  microphone.disabled = file.disabled = false;
  status.textContent = 'Ready.';
}, show);
