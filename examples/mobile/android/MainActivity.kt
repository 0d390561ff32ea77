// Needs <uses-permission android:name="android.permission.RECORD_AUDIO" /> in the manifest and androidx.activity:activity-ktx.
package example.audio2vec

import android.Manifest.permission.RECORD_AUDIO
import android.content.pm.PackageManager.PERMISSION_GRANTED
import android.os.Bundle
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts.RequestPermission

class MainActivity : ComponentActivity() {
    private lateinit var text: TextView
    private lateinit var embedder: Embedder
    private var microphone: Microphone? = null

    // Shows the system's question, and goes on with the answer.
    private val ask = registerForActivityResult(RequestPermission()) { granted ->
        if (granted) listen() else text.text = "Without the microphone there is nothing to embed. Settings › Apps can allow it."
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        text = TextView(this)
        setContentView(text)
        embedder = OnnxEmbedder(assets.open("model.onnx").use { it.readBytes() })
        // or LiteRtEmbedder(assets.open("model.tflite").use { it.readBytes() })
        if (checkSelfPermission(RECORD_AUDIO) != PERMISSION_GRANTED) ask.launch(RECORD_AUDIO)
    }

    // In the background an app hears only silence, so it listens while it is seen.
    override fun onStart() {
        super.onStart()
        if (checkSelfPermission(RECORD_AUDIO) == PERMISSION_GRANTED) listen()
    }

    override fun onStop() {
        microphone?.close()
        microphone = null
        super.onStop()
    }

    override fun onDestroy() {
        embedder.close()
        super.onDestroy()
    }

    private fun listen() {
        if (microphone != null || checkSelfPermission(RECORD_AUDIO) != PERMISSION_GRANTED) return
        try {
            val onSlice = { slice: FloatArray -> show(embedder.embed(slice).take(4).joinToString()) }
            microphone = Microphone(this, Embedder.SAMPLE_RATE, Embedder.SLICE, Embedder.HOP, onSlice, { show("$it") })
        } catch (error: IllegalStateException) {
            text.text = error.message // another app may hold the microphone
        }
    }

    private fun show(message: String) = runOnUiThread { text.text = message }
}
