package example.audio2vec

import android.Manifest
import android.content.Context
import android.media.AudioFormat
import android.media.AudioManager
import android.media.AudioRecord
import android.media.MediaRecorder
import androidx.annotation.RequiresPermission
import kotlin.concurrent.thread

/** Listens on a thread of its own from its creation until `close`; the callbacks are called on that thread. Every `hop` samples
 * `onSlice` gets the last `slice` samples, in an array that is used again. */
class Microphone @RequiresPermission(Manifest.permission.RECORD_AUDIO) constructor(
    context: Context,
    private val sampleRate: Int,
    private val slice: Int,
    private val hop: Int,
    private val onSlice: (FloatArray) -> Unit,
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
        val samples = FloatArray(slice)
        var held = 0
        record.startRecording()
        while (listening) {
            // At most 0.1 s at a time, for close() waits for it.
            val wanted = minOf(slice - held, sampleRate / 10)
            val read = record.read(samples, held, wanted, AudioRecord.READ_BLOCKING)
            check(read >= 0) { "AudioRecord failed with $read" } // such as ERROR_DEAD_OBJECT: the audio server restarted
            held += read
            if (held < slice) continue
            onSlice(samples)
            samples.copyInto(samples, 0, hop)
            held -= hop
        }
    }

    /** Returns when the thread has ended, so that the model may be closed. */
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
            .setSampleRate(sampleRate)
            .setChannelMask(AudioFormat.CHANNEL_IN_MONO)
            .build()
        val record = AudioRecord.Builder()
            .setAudioSource(source)
            .setAudioFormat(format)
            .setBufferSizeInBytes(2 * Float.SIZE_BYTES * slice)
            .build()
        check(record.state == AudioRecord.STATE_INITIALIZED) { "the microphone can't be opened" }
        return record
    }
}
