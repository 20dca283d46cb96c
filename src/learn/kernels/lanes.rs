//! Eight numbers side by side. Kernels over them are written once and compiled twice: with AVX2 and
//! FMA in registers, and as plain arrays for any processor. Unlike plain loops they stay vectors when
//! a compiler is asked for little.
//!
//! Tests are built so. There a call into the standard library for each number (an iterator's next, a
//! checked read) would take a hundred times what the number takes: loops here count by themselves, and
//! numbers are read by [`at`] and [`Lanes::load`].

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

/// What may stand anywhere in memory.
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Unaligned<T: Copy>(T);

/// The number at a place.
///
/// # Safety
/// There is one.
#[inline(always)]
pub unsafe fn at(from: *const f32, place: usize) -> f32 {
    // SAFETY: the caller's.
    unsafe { (*from.add(place).cast::<Unaligned<f32>>()).0 }
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
        unsafe { (*from.cast::<Unaligned<Self>>()).0 }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's.
        unsafe { *to.cast::<Unaligned<Self>>() = Unaligned(self) }
    }

    #[inline(always)]
    fn add_product(mut self, a: Self, b: Self) -> Self {
        let mut i = 0;
        while i < LANES {
            self.0[i] += a.0[i] * b.0[i];
            i += 1;
        }
        self
    }

    #[inline(always)]
    fn where_above(mut self, other: Self, yes: Self, no: Self) -> Self {
        let mut i = 0;
        while i < LANES {
            self.0[i] = if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] };
            i += 1;
        }
        self
    }

    #[inline(always)]
    fn where_equal(mut self, other: Self, yes: Self, no: Self) -> Self {
        let mut i = 0;
        while i < LANES {
            self.0[i] = if self.0[i] == other.0[i] { yes.0[i] } else { no.0[i] };
            i += 1;
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub use fused::Fused;

#[cfg(target_arch = "x86_64")]
mod fused {
    use std::arch::x86_64::{
        __m256, _CMP_EQ_OQ, _CMP_GT_OQ, _mm_set_ss, _mm256_blendv_ps, _mm256_broadcastss_ps,
        _mm256_cmp_ps, _mm256_fmadd_ps,
    };

    use super::{Lanes, Unaligned};

    /// Lanes in a register of AVX2, with FMA.
    #[derive(Clone, Copy)]
    pub struct Fused(__m256);

    // SAFETY, of all below: values are made only where the processor has AVX2 and FMA.
    impl Lanes for Fused {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // `_mm256_set1_ps` calls a generic function, which builds that are asked for little share
            // with other crates instead of taking it in.
            Self(unsafe { _mm256_broadcastss_ps(_mm_set_ss(x)) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { (*from.cast::<Unaligned<Self>>()).0 }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { *to.cast::<Unaligned<Self>>() = Unaligned(self) }
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

/// `count!(i < n, { … })` is `for i in 0..n { … }` without an iterator.
macro_rules! count {
    ($i:ident < $n:expr, $body:block) => {{
        let mut $i = 0;
        while $i < $n {
            $body
            $i += 1;
        }
    }};
}
pub(super) use count;

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
