//! The list of detectors: what each measures, when it can, and where it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::columns::Columns;
use super::coverage_msp::CoverageMsp;
use super::energy::Energy;
use super::entropy::Entropy;
use super::kneser_ney::KneserNey;
use super::mahalanobis::Mahalanobis;
use super::max_logit::MaxLogit;
use super::msp::Msp;
use super::naive_bayes::NaiveBayes;
use super::nearest_neighbors::NearestNeighbors;
use super::prototypes::NearestPrototype;
use super::relative_mahalanobis::RelativeMahalanobis;
use super::unknown_tokens::UnknownTokens;
use super::unseen_bigrams::UnseenBigrams;
use super::vim::Vim;
use super::{Detector, RecordKind, Training};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Link;
use crate::eval::named::named;

named! {
    /// Which detector, in the order in which they are combined.
    pub enum DetectorKind {
        /// 1 − the largest probability, where unknown n-grams count as zero vectors. In \[0, 1\]; for
        /// independent labels, 1 − the certainty of the least certain one, in \[0, ½\].
        CoverageMsp = "coverage_msp",
        /// The least surprising class's mean surprise at the words, in nats per word (naive Bayes).
        NaiveBayes = "naive_bayes",
        /// The mean surprise at each word after the one before it, and at the end of the text, in nats
        /// per word, from 0 up: an interpolated Kneser-Ney bigram model.
        KneserNey = "kneser_ney",
        /// 1 − the cosine to the nearest of up to 256 typical training vectors. In \[0, 2\].
        Prototypes = "prototypes",
        /// The Euclidean distance to the fifth nearest training record, from 0 up: in a row's own
        /// features or an image's representation; for texts between vectors of length 1, so at most 2.
        NearestNeighbors = "nearest_neighbors",
        /// How far a row lies outside the ranges of the training rows, in standard deviations, from 0
        /// up; each unseen kind of value counts like one. 0 for a row within all ranges.
        Columns = "columns",
        /// The share of words that training never saw. In \[0, 1\].
        UnknownTokens = "unknown_tokens",
        /// The share of pairs of adjacent words that training never saw. In \[0, 1\].
        UnseenBigrams = "unseen_bigrams",
        /// 1 − the largest probability, where unknown n-grams do not count at all. In \[0, 1\]; for
        /// independent labels, 1 − the certainty of the least certain one, in \[0, ½\].
        Msp = "msp",
        /// −the largest logit, where unknown n-grams do not count; any number.
        MaxLogit = "max_logit",
        /// −ln Σ e^logit, where unknown n-grams do not count; any number. For independent labels
        /// −Σ ln(1 + e^logit), at most 0.
        Energy = "energy",
        /// The entropy of the probabilities in nats, where unknown n-grams do not count. From 0 to the
        /// logarithm of the number of classes; for independent labels, the sum over the labels.
        Entropy = "entropy",
        /// The Mahalanobis distance to the nearest class's mean, in standard deviations, from 0 up. All
        /// records are one class where they have not one label each.
        Mahalanobis = "mahalanobis",
        /// The squared Mahalanobis distance to the nearest class's mean less that to the mean of all
        /// records; any number. Always 0 where records have not one label each.
        RelativeMahalanobis = "relative_mahalanobis",
        /// The log-odds of a virtual class, whose logit is the part of the record's vector outside the
        /// principal subspace of training (ViM), against all classes; any number.
        Vim = "vim",
    }
}

/// What a detector finds unfamiliar.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Familiarity {
    /// Words that training never or rarely saw.
    UnknownWords,
    /// Words in an order that training never or rarely saw.
    UnseenCombinations,
    /// The record as a vector lies far from those of training: what the network makes of a text or
    /// image, or all features of a row together.
    Representation,
    /// The network is unsure.
    Confidence,
    /// Values of a row outside the range of training, or of a kind that it never saw.
    Values,
}

impl Familiarity {
    /// What is unfamiliar, as a person would say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::UnknownWords => "its words are unfamiliar",
            Self::UnseenCombinations => "its combinations of words are unfamiliar",
            Self::Representation => "nothing like it was seen",
            Self::Confidence => "the network is unsure",
            Self::Values => "its values lie outside",
        }
    }
}

impl DetectorKind {
    /// Those that are combined unless asked otherwise, in order. For texts neither Mahalanobis
    /// distances nor ViM: on pooled vectors they find less than any of these.
    pub fn defaults(records: RecordKind, labels: bool) -> impl Iterator<Item = Self> {
        let kinds: &[Self] = match records {
            RecordKind::Text => {
                &[Self::CoverageMsp, Self::NaiveBayes, Self::KneserNey, Self::Prototypes]
            }
            RecordKind::Row => &[Self::CoverageMsp, Self::NearestNeighbors, Self::Columns],
            RecordKind::Image => &[Self::CoverageMsp, Self::NearestNeighbors],
        };
        kinds.iter().copied().filter(move |kind| kind.applies(records, labels))
    }

    /// Whether it can judge such records, which have labels (or else numbers).
    pub fn applies(self, records: RecordKind, labels: bool) -> bool {
        match self {
            Self::NaiveBayes => records == RecordKind::Text && labels,
            Self::KneserNey | Self::UnknownTokens | Self::UnseenBigrams => {
                records == RecordKind::Text
            }
            Self::Columns => records == RecordKind::Row,
            Self::Prototypes | Self::NearestNeighbors | Self::Mahalanobis => true,
            Self::CoverageMsp
            | Self::Msp
            | Self::MaxLogit
            | Self::Energy
            | Self::Entropy
            | Self::RelativeMahalanobis
            | Self::Vim => labels,
        }
    }

    /// What it finds unfamiliar.
    pub fn familiarity(self) -> Familiarity {
        match self {
            Self::NaiveBayes | Self::UnknownTokens => Familiarity::UnknownWords,
            Self::KneserNey | Self::UnseenBigrams => Familiarity::UnseenCombinations,
            Self::Prototypes
            | Self::NearestNeighbors
            | Self::Mahalanobis
            | Self::RelativeMahalanobis
            | Self::Vim => Familiarity::Representation,
            Self::CoverageMsp | Self::Msp | Self::MaxLogit | Self::Energy | Self::Entropy => {
                Familiarity::Confidence
            }
            Self::Columns => Familiarity::Values,
        }
    }

    /// Whether it reads [`super::Sample::plain_logits`].
    pub fn reads_plain_logits(self) -> bool {
        matches!(self, Self::Msp | Self::MaxLogit | Self::Energy | Self::Entropy)
    }

    /// Fits the detector to training records. Runs on the current rayon pool; the result does not
    /// depend on how many threads that has.
    pub fn fit(self, training: &Training<'_>) -> Box<dyn Detector> {
        let link = training.link;
        match self {
            Self::CoverageMsp => Box::new(CoverageMsp { link }),
            Self::NaiveBayes => Box::new(NaiveBayes::fit(training)),
            Self::KneserNey => Box::new(KneserNey::fit(training)),
            Self::Prototypes => Box::new(NearestPrototype::fit(training)),
            Self::NearestNeighbors => Box::new(NearestNeighbors::fit(training)),
            Self::Columns => Box::new(Columns::fit(training)),
            Self::UnknownTokens => Box::new(UnknownTokens),
            Self::UnseenBigrams => Box::new(UnseenBigrams::fit(training)),
            Self::Msp => Box::new(Msp { link }),
            Self::MaxLogit => Box::new(MaxLogit),
            Self::Energy => Box::new(Energy { link }),
            Self::Entropy => Box::new(Entropy { link }),
            Self::Mahalanobis => Box::new(Mahalanobis::fit(training)),
            Self::RelativeMahalanobis => Box::new(RelativeMahalanobis::fit(training)),
            Self::Vim => Box::new(Vim::fit(training)),
        }
    }

    /// Takes up what [`Detector::save`] gave.
    pub fn load(self, link: Link, arrays: &Arrays) -> Result<Box<dyn Detector>, ArraysError> {
        Ok(match self {
            Self::CoverageMsp => Box::new(CoverageMsp { link }),
            Self::NaiveBayes => Box::new(NaiveBayes::load(arrays)?),
            Self::KneserNey => Box::new(KneserNey::load(arrays)?),
            Self::Prototypes => Box::new(NearestPrototype::load(arrays)?),
            Self::NearestNeighbors => Box::new(NearestNeighbors::load(arrays)?),
            Self::Columns => Box::new(Columns::load(arrays)?),
            Self::UnknownTokens => Box::new(UnknownTokens),
            Self::UnseenBigrams => Box::new(UnseenBigrams::load(arrays)?),
            Self::Msp => Box::new(Msp { link }),
            Self::MaxLogit => Box::new(MaxLogit),
            Self::Energy => Box::new(Energy { link }),
            Self::Entropy => Box::new(Entropy { link }),
            Self::Mahalanobis => Box::new(Mahalanobis::load(arrays)?),
            Self::RelativeMahalanobis => Box::new(RelativeMahalanobis::load(arrays)?),
            Self::Vim => Box::new(Vim::load(link, arrays)?),
        })
    }
}
