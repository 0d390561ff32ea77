package example.audio2vec

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.FloatBuffer

/** The model as .onnx or .ort. */
class OnnxEmbedder(model: ByteArray) : Embedder {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = OrtSession.SessionOptions().use { environment.createSession(model, it) }

    override fun embed(slice: FloatArray): FloatArray {
        require(slice.size == Embedder.SLICE) { "a slice has ${Embedder.SLICE} samples, not ${slice.size}" }
        val shape = longArrayOf(1, slice.size.toLong())
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(slice), shape).use { waveform ->
            session.run(mapOf(Embedder.INPUT to waveform)).use { outputs ->
                val embedding = outputs[Embedder.OUTPUT].get() as OnnxTensor
                return FloatArray(Embedder.DIMENSION).also { embedding.floatBuffer.get(it) }
            }
        }
    }

    override fun close() = session.close()
}
