//! Activation functions of hidden layers.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::learn::init::Nonlinearity;

/// What a hidden layer applies to its sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0), with derivative 0 at 0.
    #[default]
    Relu,
    /// x above 0, 0.01 x elsewhere.
    LeakyRelu,
    /// x Φ(x), in the approximation ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel
    /// 2016).
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
}

/// Slope of the leaky ReLU below 0.
const LEAK: f32 = 0.01;

impl Activation {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Relu, Self::LeakyRelu, Self::Gelu, Self::Tanh, Self::Sigmoid];

    /// What initialisers know it as.
    pub fn nonlinearity(self) -> Nonlinearity {
        match self {
            Self::Relu => Nonlinearity::Relu,
            Self::LeakyRelu => Nonlinearity::LeakyRelu(LEAK.into()),
            Self::Gelu => Nonlinearity::Gelu,
            Self::Tanh => Nonlinearity::Tanh,
            Self::Sigmoid => Nonlinearity::Sigmoid,
        }
    }

    /// Whether a larger sum never has a smaller value, and the value tells the derivative.
    pub(super) fn rises(self) -> bool {
        self != Self::Gelu
    }

    /// On a tensor, with a gradient.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Relu if x.device().is_cuda() => rectify(x, 0.0),
            Self::LeakyRelu if x.device().is_cuda() => rectify(x, LEAK),
            // candle's ReLU has derivative 1 at 0.
            Self::Relu => x.contiguous()?.apply_op1(Rectifier { slope: 0.0 }),
            Self::LeakyRelu => x.contiguous()?.apply_op1(Rectifier { slope: LEAK }),
            Self::Gelu => x.gelu(),
            Self::Tanh => x.tanh(),
            // The same as 1 / (1 + e⁻ˣ), without its overflow.
            Self::Sigmoid => x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5),
        }
    }

    /// In place.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::LeakyRelu => values.iter_mut().for_each(|x| *x = rectified(*x, LEAK)),
            Self::Gelu => values.iter_mut().for_each(|x| *x = gelu(*x)),
            Self::Tanh => values.iter_mut().for_each(|x| *x = x.tanh()),
            Self::Sigmoid => values.iter_mut().for_each(|x| *x = 0.5 * (0.5 * *x).tanh() + 0.5),
        }
    }
}

impl Activation {
    /// Multiplies `upstream` by the derivative at `sums`, whose values are `values`.
    pub fn differentiate(self, sums: &[f32], values: &[f32], upstream: &mut [f32]) {
        let each = upstream.iter_mut().zip(sums.iter().zip(values));
        match self {
            Self::Relu => each.for_each(|(g, (x, _))| *g *= f32::from(*x > 0.0)),
            Self::LeakyRelu => each.for_each(|(g, (x, _))| *g *= if *x > 0.0 { 1.0 } else { LEAK }),
            Self::Gelu => each.for_each(|(g, (x, _))| *g *= gelu_slope(*x)),
            Self::Tanh => each.for_each(|(g, (_, y))| *g *= 1.0 - y * y),
            Self::Sigmoid => each.for_each(|(g, (_, y))| *g *= y * (1.0 - y)),
        }
    }
}

/// [`Rectifier`] in operations that every device has.
fn rectify(x: &Tensor, slope: f32) -> Result<Tensor> {
    let above = x.gt(0f32)?.to_dtype(x.dtype())?;
    x.mul(&above.affine(f64::from(1.0 - slope), f64::from(slope))?.detach())
}

fn rectified(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}

fn gelu(x: f32) -> f32 {
    let root = (2.0 / std::f32::consts::PI).sqrt();
    0.5 * x * (1.0 + (root * x * (1.0 + 0.044715 * x * x)).tanh())
}

/// The derivative of [`gelu`].
fn gelu_slope(x: f32) -> f32 {
    let root = (2.0 / std::f32::consts::PI).sqrt();
    let t = (root * x * (1.0 + 0.044715 * x * x)).tanh();
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * root * (1.0 + 3.0 * 0.044715 * x * x)
}

/// x above 0, slope · x elsewhere.
struct Rectifier {
    slope: f32,
}

impl CustomOp1 for Rectifier {
    fn name(&self) -> &'static str {
        "rectifier"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("a rectifier takes contiguous 32-bit values")
        };
        let out = values[start..end].iter().map(|x| rectified(*x, self.slope)).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let slope = f64::from(self.slope);
        let open = x.gt(0f32)?.to_dtype(upstream.dtype())?.affine(1.0 - slope, slope)?;
        upstream.mul(&open).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    /// What GPUs compute a rectifier by.
    #[test]
    fn both_rectifiers_are_the_same() {
        let x = Var::from_slice(&[-3f32, -0.0, 0.0, 1e-20, 2.0], 5, &Device::Cpu).unwrap();
        for slope in [0.0, LEAK] {
            let both = [rectify(&x, slope), x.apply_op1(Rectifier { slope })].map(|y| {
                let y = y.unwrap();
                let gradients = y.sum_all().unwrap().backward().unwrap();
                let gradient = gradients.get(&x).unwrap().to_vec1::<f32>().unwrap();
                (y.to_vec1::<f32>().unwrap(), gradient)
            });
            assert_eq!(both[0], both[1]);
        }
    }

    #[test]
    fn training_and_scoring_agree_and_gradients_are_right() {
        let values: Vec<f32> = vec![-30.0, -3.0, -1.0, -0.2, 0.3, 0.9, 2.5, 30.0];
        for activation in Activation::ALL {
            let x = Var::from_slice(&values, values.len(), &Device::Cpu).unwrap();
            let y = activation.forward(&x).unwrap();
            let gradient = y.sum_all().unwrap().backward().unwrap();
            let gradient: Vec<f32> = gradient.get(&x).unwrap().to_vec1().unwrap();
            let mut slopes = vec![1.0; values.len()];
            activation.differentiate(&values, &y.to_vec1::<f32>().unwrap(), &mut slopes);
            for (slope, gradient) in slopes.iter().zip(&gradient) {
                assert!((slope - gradient).abs() < 1e-5, "{activation:?} {slope} {gradient}");
            }
            let apply = |values: &[f32]| {
                let mut values = values.to_vec();
                activation.apply(&mut values);
                values
            };
            let shifted = |by: f32| apply(&values.iter().map(|v| v + by).collect::<Vec<_>>());
            let (above, below) = (shifted(1e-2), shifted(-1e-2));
            for (i, y) in y.to_vec1::<f32>().unwrap().into_iter().enumerate() {
                assert!((y - apply(&values)[i]).abs() < 1e-6, "{activation:?} {i}");
                let difference = (above[i] - below[i]) / 2e-2;
                assert!((gradient[i] - difference).abs() < 1e-3, "{activation:?} {i}");
            }
        }
    }

    #[test]
    fn the_derivative_of_relu_at_zero_is_zero() {
        let x = Var::from_slice(&[0f32], 1, &Device::Cpu).unwrap();
        let gradient = Activation::Relu.forward(&x).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(gradient.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0]);
    }
}
