//! Which settings 32-bit arithmetic can work with.

/// A number that an optimiser is set to.
pub(super) struct Setting {
    pub name: &'static str,
    pub value: f64,
    pub usable: bool,
}

/// Above 0 and finite.
pub(super) fn positive(name: &'static str, value: f64) -> Setting {
    let usable = value as f32 > 0.0 && (value as f32).is_finite();
    Setting { name, value, usable }
}

/// From 0 on, and finite.
pub(super) fn non_negative(name: &'static str, value: f64) -> Setting {
    Setting { name, value, usable: (0.0..=f32::MAX).contains(&(value as f32)) }
}

/// From 0 on, below 1.
pub(super) fn share(name: &'static str, value: f64) -> Setting {
    Setting { name, value, usable: (0.0..1.0).contains(&(value as f32)) }
}
