// Live audio → embeddings on Android. This file says what the model takes and gives; OnnxEmbedder.kt and LiteRtEmbedder.kt
// run it, Microphone.kt listens, MainActivity.kt asks for the permission and puts them together. The model goes into the
// app's assets:
//   `audio2vec export --input waveform --batch 1 -o model.onnx` with com.microsoft.onnxruntime:onnxruntime-android, or
//   `audio2vec export --input waveform --batch 1 -o model.tflite` with com.google.ai.edge.litert:litert.
package example.audio2vec

/** An encoder with its front end inside. One thread at a time. */
interface Embedder : AutoCloseable {
    companion object {
        const val INPUT = "waveform"
        const val OUTPUT = "embedding"
        const val SAMPLE_RATE = 16000
        const val SLICE = 15600 // samples: 0.975 s
        const val HOP = 7680 // samples from slice to slice: 0.48 s
        const val DIMENSION = 128
    }

    /** The embedding (DIMENSION values) of exactly SLICE samples, mono, in -1 … 1. */
    fun embed(slice: FloatArray): FloatArray
}
