//! Inner loops that are written once, in plain Rust, and compiled twice on x86-64: for any processor and for
//! AVX2. Both give the same bits, since nothing is reassociated or fused.

/// Declares a function whose body is compiled for AVX2 too and chosen when the processor has it.
macro_rules! dispatched {
    ($(#[$meta:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $visible fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) $(-> $result)? { portable($($argument),*) }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2, as was just asked.
                    return unsafe { avx2($($argument),*) };
                }
            }
            portable($($argument),*)
        }
    };
}
pub(crate) use dispatched;
