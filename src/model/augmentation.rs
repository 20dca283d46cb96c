//! What is done to training records in every epoch: to texts before they become features, to images
//! and rows of a table after.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::learn::augment::{self, ImageAugmentationSpec, TabularAugmentationSpec};
use crate::text::TextAugmentationSpec;

/// What is done to training records in every epoch, never to those of validation, calibration or
/// test; nothing by default. N-grams of texts are left out by `regularization.ngram_dropout`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AugmentationSpec {
    /// Of texts.
    pub text: TextAugmentationSpec,
    /// Of images.
    pub image: ImageAugmentationSpec,
    /// Of rows of a table.
    pub tabular: TabularAugmentationSpec,
}

impl AugmentationSpec {
    /// What is done once records are features.
    pub(super) fn of_features(&self) -> augment::AugmentationSpec {
        augment::AugmentationSpec { image: self.image.clone(), tabular: self.tabular.clone() }
    }
}
