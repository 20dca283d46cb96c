//! What the schema of single fields cannot say of numbers.

use crate::learn::loss::{ClassWeights, CrossEntropySpec, LossSpec};
use crate::learn::network::NetworkSpec;
use crate::learn::optimizer::OptimizerSpec;
use crate::model::spec::{RangeTestRequest, TrainRequest};
use crate::problem::FieldError;

/// Checks the numbers of a request.
pub(super) fn check(request: &TrainRequest, errors: &mut Vec<FieldError>) {
    if let Some(range) = request.vectorizer.character_ngrams
        && range.min > range.max
    {
        let message = format!("min {} is above max {}", range.min, range.max);
        let hint = "swap them, or set character_ngrams to null";
        errors.push(FieldError::new("vectorizer.character_ngrams.min", message).hint(hint));
    }
    let dense = request.network.as_ref().map(NetworkSpec::dense);
    for (position, width) in dense.iter().flat_map(|dense| &dense.hidden).enumerate() {
        if !(1..=65_536).contains(width) {
            let field = format!("network.hidden[{position}]");
            let hint = "a width is between 1 and 65536";
            errors.push(
                FieldError::new(field, format!("the width {width} is out of range")).hint(hint),
            );
        }
    }
    for (position, filters) in request.network.iter().flat_map(NetworkSpec::filters).enumerate() {
        if !(1..=4_096).contains(&filters) {
            let field = format!("network.filters[{position}]");
            let message = format!("{filters} filters are out of range");
            errors.push(FieldError::new(field, message).hint("give between 1 and 4096 filters"));
        }
    }
    if let Some(NetworkSpec::ImageCnn(cnn)) = &request.network
        && cnn.kernel.is_multiple_of(2)
    {
        let message = format!("a filter of side {} has no middle", cnn.kernel);
        errors.push(FieldError::new("network.kernel", message).hint("give an odd number, as 3"));
    }
    if let Some(NetworkSpec::TextCnn(cnn)) = &request.network {
        if cnn.widths.is_empty() {
            let hint = "give at least one width, as [2, 3, 4]";
            errors.push(FieldError::new("network.widths", "names no width").hint(hint));
        }
        for (position, width) in
            cnn.widths.iter().enumerate().filter(|(_, w)| !(1..=32).contains(*w))
        {
            let field = format!("network.widths[{position}]");
            let message = format!("a run of {width} words is out of range");
            errors.push(FieldError::new(field, message).hint("give between 1 and 32 words"));
        }
    }
    for (name, value) in request.optimizer.unusable() {
        errors.push(rounded(format!("optimizer.{name}"), value));
    }
    if let OptimizerSpec::Sgd(sgd) = &request.optimizer
        && sgd.nesterov
        && sgd.momentum == 0.0
    {
        let hint = "set optimizer.momentum above 0 (0.9 is usual), or nesterov to false";
        let message = "looks ahead by a momentum of 0, which is nowhere";
        errors.push(FieldError::new("optimizer.nesterov", message).hint(hint));
    }
    for (name, value) in
        [("clip_norm", request.training.clip_norm), ("clip_value", request.training.clip_value)]
    {
        if let Some(value) = value.filter(|v| *v as f32 <= 0.0 || !(*v as f32).is_finite()) {
            errors.push(rounded(format!("training.{name}"), value));
        }
    }
    if let Some(value) = request.training.ema_decay.filter(|v| *v as f32 <= 0.0 || *v as f32 >= 1.0)
    {
        errors.push(rounded("training.ema_decay".to_owned(), value));
    }
    let out = |value: &f64, low: f64, high: f64| !(*value >= low && *value <= high);
    if let Some(value) = request.training.max_seconds.filter(|v| out(v, 0.001, 31_536_000.0)) {
        let error = FieldError::new("training.max_seconds", format!("{value} is out of range"));
        errors.push(error.hint("send 0.001 to 31536000 seconds, or null"));
    }
    if let Some(Some(value)) = request.training.divergence_factor
        && (out(&value, 1.0, 1e9) || value == 1.0)
    {
        let message = format!("{value} is out of range");
        let error = FieldError::new("training.divergence_factor", message);
        errors.push(error.hint("send a factor above 1, up to 1000000000, or null"));
    }
    for (name, value) in [("l1", request.regularization.l1), ("l2", request.regularization.l2)] {
        if !(0.0..=f32::MAX).contains(&value) {
            errors.push(rounded(format!("regularization.{name}"), value.into()));
        }
    }
    let dropout = request.regularization.ngram_dropout;
    if !(0.0..1.0).contains(&dropout) {
        errors.push(rounded("regularization.ngram_dropout".to_owned(), dropout.into()));
    }
    if let Some(dense) = dense.filter(|dense| !(0.0..1.0).contains(&dense.dropout)) {
        errors.push(rounded("network.dropout".to_owned(), dense.dropout.into()));
    }
    if let Some(LossSpec::CrossEntropy(CrossEntropySpec {
        class_weights: Some(ClassWeights::ByLabel(factors)),
        ..
    })) = &request.loss
    {
        for (label, factor) in factors {
            if !(1e-9..=1e9).contains(factor) {
                let field = format!("loss.class_weights.{label}");
                let message = format!("the factor {factor:e} is out of range");
                let hint = "give a number from 1e-9 to 1e9; 1 changes nothing";
                errors.push(FieldError::new(field, message).hint(hint));
            }
        }
    }
    if let Some(warmup) = request.schedule.warmup()
        && warmup.steps.is_some() == warmup.share.is_some()
    {
        let which = if warmup.steps.is_some() { "both steps and share" } else { "no length" };
        let error = FieldError::new("schedule.warmup", format!("has {which}"));
        errors.push(error.hint("give one of steps and share, or set warmup to null"));
    }
    let decay = request.optimizer.learning_rate() * request.optimizer.shrinkage();
    if decay >= 1.0 {
        let message =
            format!("times the learning rate it is {decay}, so a step would flip every sign");
        let hint = "keep weight_decay × learning_rate below 1";
        errors.push(FieldError::new("optimizer.weight_decay", message).hint(hint));
    }
}

/// Checks the rates of a range test.
pub(super) fn check_range(request: &RangeTestRequest, errors: &mut Vec<FieldError>) {
    let range = &request.range_test;
    for (name, value) in [("low", range.low), ("high", range.high)] {
        if value as f32 <= 0.0 || !(value as f32).is_finite() {
            errors.push(rounded(format!("range_test.{name}"), value));
        }
    }
    if range.high < 10.0 * range.low {
        let message = format!("{} is not ten times range_test.low, {}", range.high, range.low);
        let hint = "raise it: a curve takes a range of rates; 1e-6 to 10 is usual";
        errors.push(FieldError::new("range_test.high", message).hint(hint));
    }
    let decay = range.high * request.train.optimizer.shrinkage();
    if decay >= 1.0 {
        let message =
            format!("times optimizer.weight_decay it is {decay}, so a step would flip every sign");
        let hint = "keep weight_decay × high below 1";
        errors.push(FieldError::new("range_test.high", message).hint(hint));
    }
    if !(20..=1_000).contains(&range.steps) {
        let error = FieldError::new("range_test.steps", format!("{} is out of range", range.steps));
        errors.push(error.hint("send 20 to 1000"));
    }
}

fn rounded(field: String, value: f64) -> FieldError {
    let message = format!("{value} is out of range once it is rounded to 32 bits");
    FieldError::new(field, message).hint("keep it further from the end of its range")
}
