// The part of androidx.activity that the example uses, which is not to be had without Google's repository.
package androidx.activity

import android.app.Activity

class ActivityResultLauncher<I> {
    fun launch(input: I): Unit = throw NotImplementedError("$input")
}

open class ComponentActivity : Activity() {
    fun <I, O> registerForActivityResult(
        contract: androidx.activity.result.contract.ActivityResultContract<I, O>,
        callback: (O) -> Unit,
    ): ActivityResultLauncher<I> = throw NotImplementedError("$contract $callback")
}
