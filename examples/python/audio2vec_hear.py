"""The HEAR interface (https://hearbenchmark.com/hear-api.html) to an encoder that audio2vec exported:

    `audio2vec export --input waveform --samples any -o encoder.onnx`

Needs numpy and onnxruntime. Audio is [sounds, samples] at `model.sample_rate`, in -1 … 1, as a NumPy array or a PyTorch
tensor; answers are of the same kind.
"""
import json

import numpy as np
import onnxruntime


class Model:
    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map
        self.encoder, self.front_end = (json.loads(about[f"audio2vec.{key}"]) for key in ("encoder", "front_end"))
        self.sample_rate = self.front_end["sampleRate"]
        self.scene_embedding_size = self.timestamp_embedding_size = self.encoder["embedding"]


def load_model(model_file_path="encoder.onnx"):
    return Model(model_file_path or "encoder.onnx")


def get_timestamp_embeddings(audio, model):
    """Embeddings [sounds, slices, size], and the middle of each slice in milliseconds [sounds, slices]."""
    is_torch = type(audio).__module__.startswith("torch")
    sounds = np.asarray(audio.detach().cpu() if is_torch else audio, np.float32)
    if sounds.ndim != 2:
        raise ValueError(f"audio must be [sounds, samples], not of shape {sounds.shape}")
    embeddings = np.stack([model.session.run(["embedding"], {"waveform": sound[None]})[0] for sound in sounds])
    hop, window, frames = model.front_end["hop"], model.front_end["windowLength"], model.encoder["frames"]
    # Slices overlap by half; the last one ends with the sound.
    last = max(0, (sounds.shape[1] - window) // hop + 1 - frames)
    starts = np.minimum(np.arange(embeddings.shape[1]) * (frames // 2), last) * hop
    middles = 1000 * (starts + ((frames - 1) * hop + window) / 2) / model.sample_rate
    timestamps = np.tile(middles, (len(sounds), 1))
    if not is_torch:
        return embeddings, timestamps
    import torch
    return tuple(torch.from_numpy(x.astype(np.float32)).to(audio.device) for x in (embeddings, timestamps))


def get_scene_embeddings(audio, model):
    """One embedding for each sound, the mean over its slices: [sounds, size]."""
    return get_timestamp_embeddings(audio, model)[0].mean(1)
