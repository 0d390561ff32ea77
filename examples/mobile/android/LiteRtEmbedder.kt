package example.audio2vec

import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.Interpreter

/** The model as .tflite. */
class LiteRtEmbedder(model: ByteArray) : Embedder {
    // LiteRT reads the model where it lies, outside the heap.
    private val bytes = ByteBuffer.allocateDirect(model.size).order(ByteOrder.nativeOrder()).put(model)
    private val interpreter = Interpreter(bytes, Interpreter.Options().setNumThreads(2))

    override fun embed(slice: FloatArray): FloatArray {
        require(slice.size == Embedder.SLICE) { "a slice has ${Embedder.SLICE} samples, not ${slice.size}" }
        val embedding = arrayOf(FloatArray(Embedder.DIMENSION))
        interpreter.run(arrayOf(slice), embedding)
        return embedding[0]
    }

    override fun close() = interpreter.close()
}
