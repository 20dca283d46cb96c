//! What networks are trained on: the processor, or an NVIDIA GPU where Whereof was built with the
//! feature `cuda`. Scoring and validation always run on the processor, record by record.

use std::fmt;
use std::str::FromStr;

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{CudaStorage, CustomOp1, InplaceOp1, Layout, Result, Shape};
use serde::{Deserialize, Serialize};

/// A device by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceName {
    /// `cpu`: the processor.
    #[default]
    Cpu,
    /// `cuda:N`: the GPU of that number, as the driver counts them.
    Cuda(usize),
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for DeviceName {
    type Error = UnknownDevice;

    fn try_from(name: String) -> std::result::Result<Self, UnknownDevice> {
        name.parse()
    }
}

/// A name that is no device's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a device is \"cpu\" or \"cuda:N\"")]
pub struct UnknownDevice;

impl FromStr for DeviceName {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownDevice> {
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            Some(("cuda", number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
                number.parse().map(Self::Cuda).map_err(|_| UnknownDevice)
            }
            _ => Err(UnknownDevice),
        }
    }
}

impl DeviceName {
    /// The devices of this machine that this build can use, the processor first.
    pub fn available() -> Vec<Self> {
        std::iter::once(Self::Cpu).chain((0..gpus()).map(Self::Cuda)).collect()
    }

    /// Why a device may be missing, and what it takes.
    pub fn requirement() -> &'static str {
        if cfg!(feature = "cuda") {
            "this build can use NVIDIA GPUs, with the driver that the CUDA toolkit asks for"
        } else {
            "this build has no GPU support: build it with `--features cuda`, which needs the CUDA \
             toolkit"
        }
    }

    /// Opens it.
    pub(super) fn open(self) -> Result<candle_core::Device> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(number) => candle_core::Device::new_cuda(number),
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> usize {
    0
}

/// GPUs that the driver sees; none without a driver.
#[cfg(feature = "cuda")]
fn gpus() -> usize {
    use candle_core::cuda_backend::cudarc::driver::CudaContext;
    CudaContext::device_count().map_or(0, |count| usize::try_from(count).unwrap_or(0))
}

/// Runs an operation that is written for the processor on what lies on a GPU: the input comes over, the
/// result goes back.
pub(super) fn on_host(
    op: &impl CustomOp1,
    input: &CudaStorage,
    layout: &Layout,
) -> Result<(CudaStorage, Shape)> {
    let (output, shape) = op.cpu_fwd(&input.to_cpu_storage()?, layout)?;
    Ok((input.device().storage_from_cpu_storage_owned(output)?, shape))
}

/// The same for one that changes its input.
pub(super) fn on_host_in_place(
    op: &impl InplaceOp1,
    values: &mut CudaStorage,
    layout: &Layout,
) -> Result<()> {
    let mut copy = values.to_cpu_storage()?;
    op.cpu_fwd(&mut copy, layout)?;
    *values = values.device().storage_from_cpu_storage_owned(copy)?;
    Ok(())
}

/// In an `impl CustomOp1` whose operation is written for the processor.
macro_rules! cuda_on_host {
    () => {
        fn cuda_fwd(
            &self,
            input: &candle_core::CudaStorage,
            layout: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CudaStorage, candle_core::Shape)> {
            $crate::learn::device::on_host(self, input, layout)
        }
    };
}
pub(super) use cuda_on_host;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["cpu", "cuda:0", "cuda:12"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        for name in ["", "CPU", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda: 1", "gpu:0", "cpu:0"]
        {
            assert_eq!(name.parse::<DeviceName>(), Err(UnknownDevice), "{name}");
        }
        let beyond = format!("cuda:{}0", usize::MAX);
        assert_eq!(beyond.parse::<DeviceName>(), Err(UnknownDevice));
    }

    #[test]
    fn the_processor_is_always_there() {
        assert_eq!(DeviceName::available()[0], DeviceName::Cpu);
        assert!(DeviceName::Cpu.open().is_ok());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_gpus_none_is_there_and_none_opens() {
        assert_eq!(DeviceName::available(), [DeviceName::Cpu]);
        assert!(DeviceName::Cuda(0).open().is_err());
        assert!(DeviceName::requirement().contains("--features cuda"));
    }
}
