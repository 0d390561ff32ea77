package androidx.annotation

@Target(AnnotationTarget.FUNCTION, AnnotationTarget.CONSTRUCTOR)
annotation class RequiresPermission(val value: String)
