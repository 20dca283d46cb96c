//! Initial parameters. Each parameter draws from a stream of its own name, so that neither the order
//! of layers nor another layer changes it.
//!
//! A new initialiser is a variant of [`InitSpec`] and its line in `InitSpec::draw`; one that is no
//! plain distribution is a file here too, as `orthogonal`.

mod draw;
mod orthogonal;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use draw::Draw;
pub use draw::uniform;

/// What parameters start from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct InitializationSpec {
    /// Weights of dense and convolutional layers.
    pub weights: InitSpec,
    /// Their biases.
    pub biases: BiasInit,
}

/// What weights start from. A layer has `fan_in` inputs of an output and `fan_out` outputs of an
/// input. The gain makes up for what the activation after the layer takes away: √2 for ReLU and
/// GELU, √(2 / (1 + slope²)) for leaky ReLU, 5/3 for tanh, 1 for sigmoid and the last layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InitSpec {
    /// By the activation: `kaiming_uniform` before ReLU, leaky ReLU and GELU, `xavier_uniform` before
    /// tanh and sigmoid; the last layer is uniform in ±1/√fan_in.
    #[default]
    Auto,
    /// All 0. The hidden layers of a network that starts so never learn: for the shallow one only.
    Zeros,
    /// All the same. The units of a hidden layer that starts so stay the same.
    Constant(ConstantInit),
    /// Normal around 0, whatever the layer.
    Normal(NormalInit),
    /// Uniform around 0, whatever the layer.
    Uniform(UniformInit),
    /// Uniform in ±gain · √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).
    XavierUniform,
    /// Normal of standard deviation gain · √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform in ±gain · √(3 / fan_in) (He et al. 2015).
    KaimingUniform,
    /// Normal of standard deviation gain / √fan_in (He et al. 2015).
    KaimingNormal,
    /// A random orthogonal matrix times the gain (Saxe et al. 2014): its rows are orthonormal, or its
    /// columns where there are more rows. Takes a second for 1,000 × 1,000.
    Orthogonal,
}

/// One value for all weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConstantInit {
    /// The value.
    #[schema(minimum = -1000.0, maximum = 1000.0)]
    pub value: f64,
}

impl Default for ConstantInit {
    fn default() -> Self {
        Self { value: 0.1 }
    }
}

/// A normal distribution around 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NormalInit {
    /// Standard deviation.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub std: f64,
}

impl Default for NormalInit {
    fn default() -> Self {
        Self { std: 0.05 }
    }
}

/// A uniform distribution around 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UniformInit {
    /// Largest absolute value.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub bound: f64,
}

impl Default for UniformInit {
    fn default() -> Self {
        Self { bound: 0.05 }
    }
}

/// What biases start from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BiasInit {
    /// All 0.
    #[default]
    Zeros,
    /// Uniform in ±1/√fan_in, as PyTorch's layers by default.
    Uniform,
}

/// What follows a layer, as far as initialisers distinguish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nonlinearity {
    /// Nothing: the last layer, whose sums are logits or values.
    Linear,
    /// ReLU.
    Relu,
    /// Leaky ReLU with this slope below 0.
    LeakyRelu(f64),
    /// GELU.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic sigmoid.
    Sigmoid,
}

impl Nonlinearity {
    /// What weights are scaled by, as PyTorch's `calculate_gain`; GELU, which it does not know,
    /// counts as ReLU.
    pub fn gain(self) -> f64 {
        match self {
            Self::Linear | Self::Sigmoid => 1.0,
            Self::Relu | Self::Gelu => std::f64::consts::SQRT_2,
            Self::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Self::Tanh => 5.0 / 3.0,
        }
    }
}

/// The shape of a layer's weights: output by output, each with its inputs, row after row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    outputs: usize,
    inputs: usize,
    area: usize,
}

impl Shape {
    /// A dense layer's: (outputs, inputs).
    pub fn dense(outputs: usize, inputs: usize) -> Self {
        Self { outputs, inputs, area: 1 }
    }

    /// A convolution's: (filters, channels, cells of the window). Each output has as many inputs as
    /// the window has cells, times channels; each input as many outputs, times filters.
    pub fn convolution(filters: usize, channels: usize, area: usize) -> Self {
        Self { outputs: filters, inputs: channels, area }
    }

    /// Weights.
    pub fn count(self) -> usize {
        self.outputs * self.fan_in()
    }

    /// Inputs of an output.
    pub fn fan_in(self) -> usize {
        self.inputs * self.area
    }

    /// Outputs of an input.
    pub fn fan_out(self) -> usize {
        self.outputs * self.area
    }
}

impl InitSpec {
    /// The weights of a layer of this shape, before `after`, drawn from the stream `name` of `seed`.
    pub fn fill(&self, shape: Shape, after: Nonlinearity, seed: u64, name: &str) -> Vec<f32> {
        self.draw(shape, after).fill(shape.count(), shape.fan_in(), seed, name)
    }

    fn draw(&self, shape: Shape, after: Nonlinearity) -> Draw {
        use Nonlinearity::{Gelu, LeakyRelu, Linear, Relu, Sigmoid, Tanh};
        let fan_in = shape.fan_in().max(1) as f64;
        let fans = (shape.fan_in() + shape.fan_out()).max(1) as f64;
        let gain = after.gain();
        match self {
            Self::Auto => match after {
                Relu | LeakyRelu(_) | Gelu => Self::KaimingUniform.draw(shape, after),
                Tanh | Sigmoid => Self::XavierUniform.draw(shape, after),
                Linear => Draw::Uniform { bound: 1.0 / fan_in.sqrt() },
            },
            Self::Zeros => Draw::Constant(0.0),
            Self::Constant(spec) => Draw::Constant(spec.value),
            Self::Normal(spec) => Draw::Normal { deviation: spec.std },
            Self::Uniform(spec) => Draw::Uniform { bound: spec.bound },
            Self::XavierUniform => Draw::Uniform { bound: gain * (6.0 / fans).sqrt() },
            Self::XavierNormal => Draw::Normal { deviation: gain * (2.0 / fans).sqrt() },
            Self::KaimingUniform => Draw::Uniform { bound: gain * (3.0 / fan_in).sqrt() },
            Self::KaimingNormal => Draw::Normal { deviation: gain / fan_in.sqrt() },
            Self::Orthogonal => Draw::Orthogonal { gain },
        }
    }
}

impl BiasInit {
    /// The biases of a layer of this shape, one for each output, from the stream `name` of `seed`.
    pub fn fill(self, shape: Shape, seed: u64, name: &str) -> Vec<f32> {
        let draw = match self {
            Self::Zeros => Draw::Constant(0.0),
            Self::Uniform => Draw::Uniform { bound: 1.0 / (shape.fan_in().max(1) as f64).sqrt() },
        };
        draw.fill(shape.outputs, 1, seed, name)
    }
}

#[cfg(test)]
#[path = "conformance_tests.rs"]
pub(super) mod tests;
