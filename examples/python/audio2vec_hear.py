"""The HEAR interface (https://hearbenchmark.com/hear-api.html) to an encoder that audio2vec exported:

    `audio2vec export --input waveform -o encoder.onnx`

Needs numpy and onnxruntime. Audio is [sounds, samples] at `model.sample_rate`, in -1 … 1, as a NumPy array or a PyTorch
tensor; answers are of the same kind. Where PyTorch is installed the model is one of its modules, as HEAR's runner and
validator want it to be.
"""
import json

import numpy as np
import onnxruntime

try:
    import torch
except ImportError:
    torch = None

TIMESTAMPS = 20  # a second: the farthest apart that HEAR advises for events
BATCH = 256  # slices


class Model(torch.nn.Module if torch else object):
    def __init__(self, path):
        super().__init__()
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.slice = self.session.get_inputs()[0].shape[1]
        if not isinstance(self.slice, int) or isinstance(self.session.get_inputs()[0].shape[0], int):
            raise ValueError(f"{path} must take any number of slices: export it without --samples and --batch")
        about = self.session.get_modelmeta().custom_metadata_map
        encoder, front_end = (json.loads(about[f"audio2vec.{key}"]) for key in ("encoder", "front_end"))
        self.sample_rate, self.frame = front_end["sampleRate"], front_end["hop"]
        self.hop = encoder["frames"] // 2 * self.frame  # from slice to slice of a scene
        self.scene_embedding_size = self.timestamp_embedding_size = encoder["embedding"]


def load_model(model_file_path="encoder.onnx"):
    return Model(model_file_path or "encoder.onnx")


def get_timestamp_embeddings(audio, model):
    """Every 50 ms the embedding of the slice around it [sounds, times, size], and these times in ms [sounds, times]."""
    middles = np.arange(0, audio.shape[-1], model.sample_rate // TIMESTAMPS)
    embeddings = embed(audio, model, middles - model.slice // 2)
    times = np.tile((1000 / model.sample_rate * middles).astype(np.float32), (len(audio), 1))
    return like(embeddings, audio), like(times, audio)


def get_scene_embeddings(audio, model):
    """One embedding for each sound [sounds, size]: the mean over slices that overlap by half, of which the last ends with
    the sound, as in the package."""
    last = max(0, audio.shape[-1] - model.slice) // model.frame * model.frame
    starts = np.minimum(np.arange(0, last + model.hop, model.hop), last)
    return like(embed(audio, model, starts).mean(1), audio)


def embed(audio, model, starts):
    """Embeddings of the slices that begin at these samples [sounds, starts, size]. Beyond its ends a sound is silent."""
    sounds = np.asarray(audio if isinstance(audio, np.ndarray) else audio.detach().cpu(), np.float32)
    if sounds.ndim != 2:
        raise ValueError(f"audio must be [sounds, samples], not of shape {sounds.shape}")
    before, after = max(0, -starts[0]), max(0, starts[-1] + model.slice - sounds.shape[1])
    slices = np.lib.stride_tricks.sliding_window_view(np.pad(sounds, ((0, 0), (before, after))), model.slice, axis=1)
    wanted = np.stack(np.meshgrid(np.arange(len(sounds)), starts + before, indexing="ij"), -1).reshape(-1, 2)
    batches = (slices[tuple(wanted[i : i + BATCH].T)] for i in range(0, len(wanted), BATCH))
    embeddings = [model.session.run(["embedding"], {"waveform": batch})[0] for batch in batches]
    return np.concatenate(embeddings).reshape(len(sounds), len(starts), -1)


def like(values, audio):
    return values if isinstance(audio, np.ndarray) else torch.from_numpy(values).to(audio.device)
