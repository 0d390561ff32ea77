// Live audio → embeddings on Android, with com.microsoft.onnxruntime:onnxruntime-android and the permission
// RECORD_AUDIO. The model: `audio2vec export model.onnx --input waveform --batch 1`, put into the app's assets.
package example.audio2vec

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import android.annotation.SuppressLint
import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder
import java.nio.FloatBuffer

class Embedder(model: ByteArray) : AutoCloseable {
    companion object {
        const val INPUT = "waveform"
        const val OUTPUT = "embedding"
        const val SAMPLE_RATE = 16000
        const val SLICE = 15600 // samples: 0.975 s
        const val HOP = 7680 // samples from slice to slice: 0.48 s
        const val DIMENSION = 128
    }

    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(model, OrtSession.SessionOptions())

    /** The embedding (DIMENSION values) of exactly SLICE samples, mono, in -1 … 1. */
    fun embed(slice: FloatArray): FloatArray {
        require(slice.size == SLICE) { "a slice has $SLICE samples, not ${slice.size}" }
        val shape = longArrayOf(1, SLICE.toLong())
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(slice), shape).use { waveform ->
            session.run(mapOf(INPUT to waveform)).use { outputs ->
                val embedding = (outputs[OUTPUT].get() as OnnxTensor).floatBuffer
                return FloatArray(DIMENSION).also { embedding.get(it) }
            }
        }
    }

    /** Listens until `keepOn` says no; call it on a thread of its own. */
    @SuppressLint("MissingPermission")
    fun listen(keepOn: () -> Boolean, onEmbedding: (FloatArray) -> Unit) {
        val format = AudioFormat.Builder()
            .setEncoding(AudioFormat.ENCODING_PCM_FLOAT)
            .setSampleRate(SAMPLE_RATE)
            .setChannelMask(AudioFormat.CHANNEL_IN_MONO)
            .build()
        val record = AudioRecord.Builder()
            .setAudioSource(MediaRecorder.AudioSource.UNPROCESSED)
            .setAudioFormat(format)
            .setBufferSizeInBytes(4 * 2 * SLICE)
            .build()
        val slice = FloatArray(SLICE)
        var held = 0
        try {
            record.startRecording()
            while (keepOn()) {
                val read = record.read(slice, held, SLICE - held, AudioRecord.READ_BLOCKING)
                check(read >= 0) { "AudioRecord failed with $read" }
                held += read
                if (held < SLICE) continue
                onEmbedding(embed(slice))
                slice.copyInto(slice, 0, HOP)
                held -= HOP
            }
        } finally {
            record.release()
        }
    }

    override fun close() = session.close()
}
