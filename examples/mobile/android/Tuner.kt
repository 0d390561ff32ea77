// A tuner on Android: the pitch of the sound that just came. The model goes into the app's assets:
//   `audio2vec export models/pitch.safetensors --input waveform --batch 1 -o pitch.onnx`, with onnxruntime-android.
// With Microphone.kt:
//   val onSlice = { sound: FloatArray -> show(tuner.newest(sound)) }
//   Microphone(context, Tuner.SAMPLE_RATE, Tuner.SAMPLES, 5 * Tuner.HOP, onSlice, { show("$it") })
package example.audio2vec

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.FloatBuffer
import kotlin.math.floor
import kotlin.math.log2
import kotlin.math.roundToInt

/** The nearest note, A4 being 440 Hz, and how many cents the pitch is above it. */
data class Note(val name: String, val cents: Double, val hz: Float)

/** One thread at a time. */
class Tuner(model: ByteArray) : AutoCloseable {
    companion object {
        const val INPUT = "waveform"
        const val OUTPUT_HZ = "hz"
        const val OUTPUT_CONFIDENCE = "confidence"
        const val SAMPLE_RATE = 16000
        const val SAMPLES = 16960 // that the model takes: 1.06 s
        const val HOP = 320 // samples from frame to frame: 20 ms
        const val FRAMES = 50 // that it answers for
        const val BEFORE = 2 // frames before the first of these

        private const val LATER = 6 // frames of sound after its own that an answer depends on
        private const val SHOWN = 5 // frames whose median is the answer
        private const val VOICED = 0.5f // confidence from which something with pitch sounds
        private val names = listOf("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")

        fun note(hz: Float): Note {
            val midi = 69 + 12 * log2(hz / 440.0)
            val nearest = midi.roundToInt()
            val octave = floor(nearest / 12.0).toInt() - 1
            return Note(names[nearest.mod(12)] + octave, 100 * (midi - nearest), hz)
        }
    }

    private val environment = OrtEnvironment.getEnvironment()
    private val session = OrtSession.SessionOptions().use { environment.createSession(model, it) }

    /** The note that sounded 0.12 to 0.22 s before the end of SAMPLES samples, mono, in -1 … 1; null if there was none. */
    fun newest(sound: FloatArray): Note? {
        require(sound.size == SAMPLES) { "the model takes $SAMPLES samples, not ${sound.size}" }
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(sound), longArrayOf(1, SAMPLES.toLong())).use { waveform ->
            session.run(mapOf(INPUT to waveform)).use { outputs ->
                val hz = values(outputs, OUTPUT_HZ)
                val confidence = values(outputs, OUTPUT_CONFIDENCE)
                // Answer i is of the frame around sample (i + BEFORE) · HOP.
                val end = SAMPLES / HOP - LATER - BEFORE + 1
                val voiced = (end - SHOWN until end).filter { confidence[it] >= VOICED }.map { hz[it] }.sorted()
                return if (2 * voiced.size > SHOWN) note(voiced[voiced.size / 2]) else null
            }
        }
    }

    private fun values(outputs: OrtSession.Result, name: String): FloatArray {
        val tensor = outputs[name].get() as OnnxTensor
        return FloatArray(FRAMES).also { tensor.floatBuffer.get(it) }
    }

    override fun close() = session.close()
}
