package example.audio2vec

import android.Manifest
import android.content.Context
import android.media.AudioFormat
import android.media.AudioManager
import android.media.AudioRecord
import android.media.MediaRecorder
import androidx.annotation.RequiresPermission
import kotlin.concurrent.thread

/** Listens on a thread of its own from its creation until `close`; the callbacks are called on that thread. */
class Microphone @RequiresPermission(Manifest.permission.RECORD_AUDIO) constructor(
    context: Context,
    private val embedder: Embedder,
    private val onEmbedding: (FloatArray) -> Unit,
    private val onError: (Exception) -> Unit,
) : AutoCloseable {
    @Volatile private var listening = true
    private val record = open(context)
    private val worker = thread(name = "audio2vec") {
        try {
            listen()
        } catch (error: Exception) {
            if (listening) onError(error)
        } finally {
            record.release()
        }
    }

    private fun listen() {
        val slice = FloatArray(Embedder.SLICE)
        var held = 0
        record.startRecording()
        while (listening) {
            val read = record.read(slice, held, slice.size - held, AudioRecord.READ_BLOCKING)
            check(read >= 0) { "AudioRecord failed with $read" } // such as ERROR_DEAD_OBJECT: the audio server restarted
            held += read
            if (held < slice.size) continue
            onEmbedding(embedder.embed(slice))
            slice.copyInto(slice, 0, Embedder.HOP)
            held -= Embedder.HOP
        }
    }

    /** Returns when the thread has ended, so that the embedder may be closed. */
    override fun close() {
        listening = false
        worker.join()
    }

    @RequiresPermission(Manifest.permission.RECORD_AUDIO)
    private fun open(context: Context): AudioRecord {
        // Without the gain control and noise suppression that are made for calls, where the phone offers that.
        val audio = context.getSystemService(AudioManager::class.java)
        val raw = audio.getProperty(AudioManager.PROPERTY_SUPPORT_AUDIO_SOURCE_UNPROCESSED) == "true"
        val source = if (raw) MediaRecorder.AudioSource.UNPROCESSED else MediaRecorder.AudioSource.VOICE_RECOGNITION
        val format = AudioFormat.Builder()
            .setEncoding(AudioFormat.ENCODING_PCM_FLOAT)
            .setSampleRate(Embedder.SAMPLE_RATE)
            .setChannelMask(AudioFormat.CHANNEL_IN_MONO)
            .build()
        val record = AudioRecord.Builder()
            .setAudioSource(source)
            .setAudioFormat(format)
            .setBufferSizeInBytes(2 * Float.SIZE_BYTES * Embedder.SLICE)
            .build()
        check(record.state == AudioRecord.STATE_INITIALIZED) { "the microphone can't be opened" }
        return record
    }
}
