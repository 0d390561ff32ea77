// The page: microphone or file → embedder → map. Each embedding is also an event of the document, `embedding`.
import { Embedder, SAMPLE_RATE } from './embedder.js';
import { EmbeddingMap } from './map.js';
import { listen } from './microphone.js';

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
  microphone.disabled = true; // while the browser asks for the permission
  try {
    if (listening) {
      await listening();
      listening = undefined;
    } else {
      restart();
      listening = await listen(SAMPLE_RATE, (samples) => take(samples).catch(show));
    }
    microphone.textContent = listening ? 'Stop' : 'Listen to the microphone';
    status.textContent = listening ? 'Listening.' : 'Stopped.';
  } catch (error) {
    show(error);
  }
  microphone.disabled = false;
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
