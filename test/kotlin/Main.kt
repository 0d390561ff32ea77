// Runs OnnxEmbedder and Tuner without a phone: an embedding of samples, then the note of each frequency. Prints JSON.
import example.audio2vec.Embedder
import example.audio2vec.OnnxEmbedder
import example.audio2vec.Tuner
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.PI
import kotlin.math.sin

fun tone(hz: Double) = FloatArray(Tuner.SAMPLES) { i ->
    val angle = 2 * PI * hz * i / Tuner.SAMPLE_RATE
    (0.3 * sin(angle) + 0.1 * sin(2 * angle)).toFloat()
}

fun main(arguments: Array<String>) {
    val (encoder, pitch, samples) = arguments.map { File(it).readBytes() }
    val slice = FloatArray(Embedder.SLICE)
    ByteBuffer.wrap(samples).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(slice)
    val embedding = OnnxEmbedder(encoder).use { it.embed(slice) }
    val notes = Tuner(pitch).use { tuner ->
        listOf(110.0, 261.63, 440.0, 987.77).map { tuner.newest(tone(it))?.name } + tuner.newest(FloatArray(Tuner.SAMPLES))?.name
    }
    println("""{ "embedding": [${embedding.joinToString()}], "notes": [${notes.joinToString { if (it == null) "null" else "\"$it\"" }}] }""")
}
