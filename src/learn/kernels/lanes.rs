//! Eight numbers side by side. Kernels over them are written once and compiled twice: with AVX2 and
//! FMA in registers, and as plain arrays for any processor. Unlike plain loops they stay vectors when
//! a compiler is asked for little.

/// Numbers side by side.
pub const LANES: usize = 8;

/// Eight numbers. Values of an implementation are made only where the processor has what it needs.
pub trait Lanes: Copy {
    /// Eight times `x`.
    fn splat(x: f32) -> Self;
    /// Reads eight numbers.
    ///
    /// # Safety
    /// Eight numbers are readable at `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes eight numbers.
    ///
    /// # Safety
    /// Eight numbers are writable at `to`.
    unsafe fn store(self, to: *mut f32);
    /// self + a · b, rounded once where the processor can.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// Lane by lane `yes` where self > other, else `no`; `no` where either is NaN.
    fn where_above(self, other: Self, yes: Self, no: Self) -> Self;
    /// Lane by lane `yes` where self = other, else `no`.
    fn where_equal(self, other: Self, yes: Self, no: Self) -> Self;
}

/// Lanes of any processor.
#[derive(Clone, Copy)]
pub struct Plain([f32; LANES]);

impl Lanes for Plain {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn add_product(mut self, a: Self, b: Self) -> Self {
        for i in 0..LANES {
            self.0[i] += a.0[i] * b.0[i];
        }
        self
    }

    #[inline(always)]
    fn where_above(mut self, other: Self, yes: Self, no: Self) -> Self {
        for i in 0..LANES {
            self.0[i] = if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] };
        }
        self
    }

    #[inline(always)]
    fn where_equal(mut self, other: Self, yes: Self, no: Self) -> Self {
        for i in 0..LANES {
            self.0[i] = if self.0[i] == other.0[i] { yes.0[i] } else { no.0[i] };
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub use fused::Fused;

#[cfg(target_arch = "x86_64")]
mod fused {
    use std::arch::x86_64::{
        __m256, _CMP_EQ_OQ, _CMP_GT_OQ, _mm256_blendv_ps, _mm256_cmp_ps, _mm256_fmadd_ps,
        _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
    };

    use super::Lanes;

    /// Lanes in a register of AVX2, with FMA.
    #[derive(Clone, Copy)]
    pub struct Fused(__m256);

    // SAFETY, of all below: values are made only where the processor has AVX2 and FMA.
    impl Lanes for Fused {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(x) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        fn add_product(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }

        #[inline(always)]
        fn where_above(self, other: Self, yes: Self, no: Self) -> Self {
            let above = unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0) };
            Self(unsafe { _mm256_blendv_ps(no.0, yes.0, above) })
        }

        #[inline(always)]
        fn where_equal(self, other: Self, yes: Self, no: Self) -> Self {
            let equal = unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0) };
            Self(unsafe { _mm256_blendv_ps(no.0, yes.0, equal) })
        }
    }
}

/// Whether this processor has AVX2 and FMA.
pub fn has_fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Declares a function over lanes that takes those of the processor. The body is generic over `L`; the
/// second name is that of the function which a test can give other lanes.
macro_rules! with_lanes {
    ($(#[$meta:meta])* pub fn $name:ident, $generic:ident<$lanes:ident>($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        #[inline(always)]
        fn $generic<$lanes: $crate::learn::kernels::lanes::Lanes>($($argument: $type),*) $body

        $(#[$meta])*
        pub fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn fused($($argument: $type),*) {
                    $generic::<$crate::learn::kernels::lanes::Fused>($($argument),*)
                }
                if $crate::learn::kernels::lanes::has_fused() {
                    // SAFETY: the processor has both, as was just asked.
                    return unsafe { fused($($argument),*) };
                }
            }
            $generic::<$crate::learn::kernels::lanes::Plain>($($argument),*)
        }
    };
}
pub(super) use with_lanes;
