// The tuner page: microphone → pitch → note. Each frame is also an event of the document, `pitch`.
import { listen } from './microphone.js';
import { noteOf, PitchReader, SAMPLE_RATE } from './pitch.js';

/** Confidence from which something with pitch sounds. */
const VOICED = 0.5;
/** The median of so many frames is shown: a tenth of a second. */
const SHOWN = 5;

const [microphone, note, needle, detail, status] = ['microphone', 'note', 'needle', 'detail', 'status'].map((id) =>
  document.getElementById(id),
);
let reader;
let listening;
/** Whether what is heard is shown. */
let on = false;
let last = [];
/** Chunks are read one after the other, in the order they came. */
let work = Promise.resolve();

function take(samples) {
  work = work.then(async () => {
    if (!on) return; // what came before the button was pressed
    for await (const frame of reader.push(samples)) {
      last = [...last, frame].slice(-SHOWN);
      document.dispatchEvent(new CustomEvent('pitch', { detail: frame }));
    }
    show();
  });
  return work;
}

function show() {
  const shown = on ? last : [];
  const voiced = shown.filter(({ confidence }) => confidence >= VOICED).map(({ hz }) => hz);
  needle.hidden = voiced.length <= SHOWN / 2;
  if (needle.hidden) {
    [note.textContent, detail.textContent] = ['', '\u00a0'];
    return;
  }
  const hz = voiced.sort((a, b) => a - b)[voiced.length >> 1];
  const { note: name, cents } = noteOf(hz);
  note.textContent = name;
  detail.textContent = `${hz.toFixed(1)} Hz, ${cents >= 0 ? '+' : '−'}${Math.abs(cents).toFixed(0)} cents`;
  needle.style.left = `${50 + cents}%`;
  needle.className = Math.abs(cents) < 5 ? 'in-tune' : '';
}

function failed(error) {
  status.textContent = `That did not work: ${error.message}`;
}

microphone.onclick = async () => {
  microphone.disabled = true; // while the browser asks for the permission
  try {
    if (listening) {
      on = false;
      show();
      await listening();
      listening = undefined;
    } else {
      work = work.then(() => {
        reader.reset();
        last = [];
        on = true;
      });
      listening = await listen(SAMPLE_RATE, (samples) => take(samples).catch(failed));
    }
    microphone.textContent = listening ? 'Stop' : 'Listen to the microphone';
    status.textContent = listening ? 'Listening.' : 'Stopped.';
  } catch (error) {
    failed(error);
  }
  microphone.disabled = false;
};

PitchReader.load('model.onnx').then((loaded) => {
  reader = loaded;
  microphone.disabled = false;
  status.textContent = 'Ready.';
}, failed);
