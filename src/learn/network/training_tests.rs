use super::*;
use crate::learn::network::pass::Pass;
use crate::learn::network::{
    Activation, DenseSpec, EmbeddingBagSpec, GlobalPooling, ImageCnnSpec, ImagePooling, MlpSpec,
    Normalization, Pooling, Slot, TextCnnSpec,
};
use crate::learn::optimizer::AdamSpec;
use crate::learn::rows::DenseRows;

/// Plain gradient descent with rate 1, so that a step shows the gradient.
struct Descend;

impl Optimizer for Descend {
    fn begin_step(&mut self, _: f32) {}
    fn update(&mut self, _: usize, values: &mut [f32], gradient: &[f32]) {
        values.iter_mut().zip(gradient).for_each(|(v, g)| *v -= g);
    }
    fn update_rows(&mut self, _: usize, t: &mut [f32], d: usize, rows: &[u32], g: &[f32]) {
        for (&row, g) in rows.iter().zip(g.chunks_exact(d)) {
            let start = row as usize * d;
            t[start..start + d].iter_mut().zip(g).for_each(|(v, g)| *v -= g);
        }
    }
    fn save(&self, _: &mut crate::arrays::Arrays) {}
    fn restore(&mut self, _: &crate::arrays::Arrays) -> Result<(), crate::arrays::ArraysError> {
        Ok(())
    }
}

const BAG: InputShape = InputShape::Bag { vocabulary: 5 };
const VECTOR: InputShape = InputShape::Vector { width: 12 };
const IMAGE: InputShape = InputShape::Image { channels: 2, height: 6, width: 5 };

fn bags() -> Features {
    let mut rows = SparseRows::default();
    rows.push(&[0, 2], &[0.5, 0.25], 4);
    rows.push(&[1, 2, 4], &[0.2, 0.3, 0.5], 3);
    rows.push(&[], &[], 2);
    Features::Sparse(rows)
}

fn features(input: InputShape) -> Features {
    if input == BAG {
        return bags();
    }
    let mut rows = DenseRows::new(input.width());
    for record in 0..3 {
        let value = |i: usize| ((record * 37 + i * 11) as f32 * 0.7).sin();
        rows.push(&(0..input.width()).map(value).collect::<Vec<_>>());
    }
    Features::Dense(rows)
}

fn targets() -> Targets {
    Targets::MultiClass { labels: vec![2, 0, 1], classes: 3 }
}

fn dense(hidden: &[usize], activation: Activation) -> DenseSpec {
    DenseSpec { activation, ..DenseSpec::hidden(hidden) }
}

fn bag(hidden: &[usize], activation: Activation, pooling: Pooling) -> NetworkSpec {
    let dense = dense(hidden, activation);
    NetworkSpec::EmbeddingBag(EmbeddingBagSpec { dimension: 4, pooling, dense })
}

fn mlp(dense: DenseSpec) -> NetworkSpec {
    NetworkSpec::Mlp(MlpSpec { dense })
}

/// Every kind of network, with what may go wrong in each.
pub(in crate::learn) fn networks() -> Vec<(NetworkSpec, InputShape)> {
    let relu = Activation::Relu;
    let normalized = |normalization, activation| {
        let dense = dense(&[6, 6, 4], activation);
        mlp(DenseSpec { normalization, residual: true, ..dense })
    };
    let mut all = vec![
        (bag(&[], relu, Pooling::Mean), BAG),
        (bag(&[5], Activation::Tanh, Pooling::SqrtN), BAG),
        (bag(&[6, 3], relu, Pooling::Mean), BAG),
        (mlp(DenseSpec::default()), VECTOR),
        (mlp(dense(&[7], relu)), IMAGE),
        (normalized(Normalization::Batch, Activation::Tanh), VECTOR),
        (normalized(Normalization::Layer, Activation::Gelu), VECTOR),
        (normalized(Normalization::None, Activation::Sigmoid), IMAGE),
    ];
    let image = |filters: &[usize], pooling, global_pooling, normalization| {
        let dense = DenseSpec { normalization, activation: Activation::Tanh, ..dense(&[4], relu) };
        let filters = filters.to_vec();
        NetworkSpec::ImageCnn(ImageCnnSpec { filters, kernel: 3, pooling, global_pooling, dense })
    };
    let text = |widths: &[usize], max_words| {
        let dense = dense(&[], Activation::Tanh);
        let widths = widths.to_vec();
        NetworkSpec::TextCnn(TextCnnSpec { dimension: 4, widths, filters: 3, max_words, dense })
    };
    use {GlobalPooling as Global, ImagePooling as Image};
    all.extend([
        (image(&[3], Image::Max, Global::None, Normalization::None), IMAGE),
        (image(&[4, 5], Image::Average, Global::Max, Normalization::Layer), IMAGE),
        (image(&[2, 2, 2, 2], Image::Max, Global::Average, Normalization::Batch), IMAGE),
        (image(&[], Image::Max, Global::None, Normalization::None), IMAGE),
        (text(&[1, 2], 10), BAG),
        (text(&[3, 4], 10), BAG),
        (text(&[2], 2), BAG),
    ]);
    let activations = Activation::ALL.iter().map(|a| (mlp(dense(&[5, 4], *a)), VECTOR));
    all.extend(activations);
    all
}

fn none() -> NgramDropout {
    NgramDropout::new(0.0, 0, 0)
}

/// A network whose values stand clear of rounding and of the kinks that zero biases make.
fn lively(spec: &NetworkSpec, input: InputShape) -> Frozen {
    let frozen = Network::new(spec, input, 3, 7).unwrap().freeze().unwrap();
    let (table, values) = frozen.parts();
    let table = table.iter().map(|v| v * 20.0).collect();
    let mut values = values.to_vec();
    for (slot, values) in frozen.layout().slots.iter().zip(&mut values) {
        for (i, value) in values.iter_mut().enumerate().filter(|_| !slot.is_weight()) {
            *value += 0.1 * (i as f32 + 1.0) * if i % 2 == 0 { 1.0 } else { -0.5 };
        }
    }
    frozen.with(table, values)
}

fn stepped(frozen: &Frozen, features: &Features, records: &[usize]) -> (StepOutcome, Frozen) {
    let mut network = Network::thaw(frozen).unwrap();
    let noise = Noise { ngrams: &none(), augmentation: &Augmentation::default(), key: 1 };
    let data = (features, &targets());
    let outcome = network.step(data, records, noise, &GradientSpec::PLAIN, &mut Descend).unwrap();
    (outcome, network.freeze().unwrap())
}

/// Every parameter's gradient, the table's included, against central differences.
#[test]
fn gradients_agree_with_finite_differences() {
    for (spec, input) in networks() {
        let features = features(input);
        let before = lively(&spec, input);
        let (_, after) = stepped(&before, &features, &[0, 1, 2]);
        let loss = |frozen: &Frozen| f64::from(stepped(frozen, &features, &[0, 1, 2]).0.loss);
        let compare = |name: &str, start: f32, end: f32, shifted: &dyn Fn(f32) -> Frozen| {
            let difference = (loss(&shifted(0.004)) - loss(&shifted(-0.004))) / 0.008;
            let gradient = f64::from(start - end);
            let of = format!("{spec:?} {name}");
            assert!((gradient - difference).abs() < 1.5e-3, "{of}: {gradient} {difference}");
        };
        let (table, values) = before.parts();
        for i in 0..table.len() {
            let shifted = |by: f32| {
                let mut table = table.to_vec();
                table[i] += by;
                before.with(table, values.to_vec())
            };
            compare(&format!("table {i}"), table[i], after.parts().0[i], &shifted);
        }
        let trained = before.layout().slots.iter().enumerate().filter(|(_, s)| s.trainable());
        for (slot, Slot { name, .. }) in trained {
            for i in 0..values[slot].len() {
                let shifted = |by: f32| {
                    let mut values = values.to_vec();
                    values[slot][i] += by;
                    before.with(table.to_vec(), values)
                };
                let (start, end) = (values[slot][i], after.parts().1[slot][i]);
                compare(&format!("{name} {i}"), start, end, &shifted);
            }
        }
    }
}

/// Networks that take every way of the kernels: tiles of every width, panels of 8 and of 16 filters, edges
/// that a pooling leaves out, activations before and after the pooling.
fn wide_networks() -> Vec<(NetworkSpec, InputShape)> {
    let residual =
        DenseSpec { residual: true, dropout: 0.3, ..dense(&[6, 6, 4], Activation::Gelu) };
    let mut all = vec![
        (mlp(residual.clone()), VECTOR),
        (mlp(DenseSpec { dropout: 0.5, ..residual.clone() }), IMAGE),
        (mlp(DenseSpec { normalization: Normalization::Batch, ..residual.clone() }), VECTOR),
        (mlp(DenseSpec { normalization: Normalization::Layer, ..residual }), VECTOR),
    ];
    // Not so small that a batch has two positions: their normalised values are 1 and −1 whatever they
    // were, and what is left of a gradient is rounding.
    let images = [
        ((1, 3, 3), vec![9, 17]),
        ((3, 11, 7), vec![24]),
        ((1, 8, 20), vec![8, 3, 33]),
        ((2, 1, 9), vec![8]),
    ];
    let kinds = [Normalization::None, Normalization::Batch, Normalization::Layer];
    use {GlobalPooling as Global, ImagePooling as Image};
    for (i, activation) in Activation::ALL.into_iter().enumerate() {
        for (j, normalization) in kinds.into_iter().enumerate() {
            let ((channels, height, width), filters) = images[(i + j) % images.len()].clone();
            let spec = ImageCnnSpec {
                filters,
                kernel: [3, 5, 1][(i + j) % 3],
                pooling: [Image::Max, Image::Average][(i + j / 2) % 2],
                global_pooling: [Global::None, Global::Max, Global::Average][i % 3],
                dense: DenseSpec { normalization, dropout: 0.2, ..dense(&[5], activation) },
            };
            all.push((NetworkSpec::ImageCnn(spec), InputShape::Image { channels, height, width }));
        }
        let widths = vec![1, 3];
        let dense = dense(&[4], activation);
        let spec = TextCnnSpec { dimension: 7, widths, filters: 9 + 8 * i, max_words: 9, dense };
        all.push((NetworkSpec::TextCnn(spec), BAG));
    }
    all
}

/// A batch's losses, its gradient and the running statistics that it leaves, with or without a graph.
fn differentiated(
    (spec, input): &(NetworkSpec, InputShape),
    (targets, loss): (&Targets, &Loss),
    held: bool,
    graph: bool,
) -> Vec<f32> {
    let mut network = Network::thaw(&lively(spec, *input)).unwrap().with_loss(loss.clone());
    if held {
        let slots = (0..network.values.len()).map(|slot| slot % 5 == 0).collect();
        let table = network.layout.table.map_or(0, |(rows, _)| rows);
        network = network.hold(slots, (0..table).map(|row| row == 2).collect());
    }
    let ngrams = NgramDropout::new(0.3, 5, 0);
    let noise = Noise { ngrams: &ngrams, augmentation: &Augmentation::default(), key: 9 };
    let (features, mut values) = (features(*input), Vec::new());
    for (records, share) in [(&[0, 1, 2][..], 0.75), (&[1], 0.25)] {
        let data = (&features, targets);
        let value = match graph {
            true => network.differentiate_graph(data, records, share, noise),
            false => network.differentiate_direct(data, records, share, noise),
        };
        values.push(value.unwrap());
    }
    let (rows, table) = network.gradient.table();
    values.extend(rows.iter().map(|row| *row as f32).chain(table.iter().copied()));
    for position in 0..network.trained.len() {
        values.extend_from_slice(network.gradient.dense(position));
    }
    values.extend(network.values().unwrap().concat());
    values
}

/// Without a graph, networks have the gradient that the graph gives them, whatever the loss, dropout,
/// shortcuts and what is held; for shares of a step too.
#[test]
fn the_way_without_a_graph_has_the_gradient_of_the_graph() {
    let mut compared = 0;
    let losses = [
        Loss::default(),
        Loss { smoothing: 0.1, ..Loss::default() },
        Loss { records: Some(vec![0.5, 2.0, 1.0]), ..Loss::default() },
    ];
    let wanted = [
        targets(),
        Targets::MultiLabel { indicators: (0..9).map(|i| (i % 2) as f32).collect(), labels: 3 },
        Targets::Values { values: (0..9).map(|i| (i as f32).cos()).collect(), outputs: 3 },
    ];
    let all = networks().into_iter().map(|network| (network, true));
    for (network, each) in all.chain(wide_networks().into_iter().map(|network| (network, false))) {
        let cases = losses.iter().flat_map(|loss| wanted.iter().map(move |wanted| (wanted, loss)));
        for (targets, loss) in cases.take(if each { 9 } else { 1 }) {
            for held in [false, true] {
                assert!(Network::new(&network.0, network.1, 3, 7).unwrap().needs_no_graph());
                let both = [true, false]
                    .map(|graph| differentiated(&network, (targets, loss), held, graph));
                assert_eq!(both[0].len(), both[1].len(), "{network:?}");
                // Through the statistics of a batch goes the difference of large sums: the gradient of
                // a bias before them is 0, and all of what either finds is rounding.
                let largest = both[0].iter().fold(1f32, |most, value| most.max(value.abs()));
                let batch = network.0.dense().normalization == Normalization::Batch;
                let tolerance = if batch { 1e-4 } else { 1e-5 };
                for (i, (graph, direct)) in both[0].iter().zip(&both[1]).enumerate() {
                    let error = (graph - direct).abs() / largest;
                    let of = format!("{network:?} {loss:?} {held} {i}");
                    assert!(error < tolerance, "{of}: {graph} {direct}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}

/// Batch normalisation trains with the batch's own statistics and scores with running ones, which a
/// batch of one record takes too; so a single record's loss is that of its score for every network.
#[test]
fn training_and_scoring_evaluate_alike() {
    for (spec, input) in networks() {
        if matches!(&spec, NetworkSpec::ImageCnn(cnn) if cnn.dense.normalization == Normalization::Batch)
        {
            // The positions of one image are a batch of their own.
            continue;
        }
        let features = features(input);
        let frozen = lively(&spec, input);
        // The loss of a record is −ln softmax of the logits that scoring gives.
        for (record, class) in [(0, 2), (1, 0), (2, 1)] {
            let (_, logits) = frozen.view().evaluate(features.row(record));
            let (step, _) = stepped(&frozen, &features, &[record]);
            let total: f32 = logits.iter().map(|z| z.exp()).sum();
            let expected = total.ln() - logits[class];
            assert!((step.loss - expected).abs() < 2e-5, "{spec:?}: {} {expected}", step.loss);
        }
    }
}

/// PyTorch's rule: running ← 0.9 running + 0.1 batch, with the unbiased variance.
#[test]
fn running_statistics_follow_the_batches() {
    let dense = DenseSpec { normalization: Normalization::Batch, ..DenseSpec::hidden(&[1]) };
    let input = InputShape::Vector { width: 1 };
    let frozen = Network::new(&mlp(dense), input, 3, 1).unwrap().freeze().unwrap();
    let place = |name: &str| {
        frozen.layout().slots.iter().position(|s| s.name == format!("layers.0.{name}")).unwrap()
    };
    let mut values = frozen.parts().1.to_vec();
    values[place("weight")] = vec![1.0];
    let frozen = frozen.with(Vec::new(), values);
    let mut rows = DenseRows::new(1);
    [1.0, 2.0, 6.0].iter().for_each(|x| rows.push(&[*x]));
    let (_, after) = stepped(&frozen, &Features::Dense(rows), &[0, 1, 2]);
    assert!((after.parts().1[place("norm.mean")][0] - 0.3).abs() < 1e-6);
    assert!((after.parts().1[place("norm.variance")][0] - (0.9 + 0.7)).abs() < 1e-6);
}

#[test]
fn dropout_keeps_its_share_and_the_mean_and_repeats() {
    let x = Tensor::ones((100, 400), candle_core::DType::F32, &Device::Cpu).unwrap();
    let draw = |key, place| -> Vec<f32> {
        let dropped = Pass::new(key).dropout(0.3, place, &x).unwrap();
        dropped.flatten_all().unwrap().to_vec1().unwrap()
    };
    let values = draw(5, 0);
    let kept = values.iter().filter(|v| **v > 0.0).count() as f64 / 40_000.0;
    // The standard error of the share is 0.0023.
    assert!((kept - 0.7).abs() < 0.012, "{kept}");
    assert!(values.iter().all(|v| *v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6));
    assert_eq!(values, draw(5, 0));
    assert!(values != draw(6, 0) && values != draw(5, 1));
}

#[test]
fn unknown_features_shrink_the_logits_to_the_bias() {
    let network = Network::new(&bag(&[], Activation::Relu, Pooling::Mean), BAG, 3, 1).unwrap();
    let (pooled, logits) = network.freeze().unwrap().view().evaluate(bags().row(2));
    assert_eq!((pooled, logits), (vec![0.0; 4], vec![0.0; 3]));
}

#[test]
fn parameters_depend_on_the_seed_and_their_names_alone() {
    let of = |hidden: &[usize], seed| {
        Network::new(&bag(hidden, Activation::Relu, Pooling::Mean), BAG, 3, seed).unwrap().table
    };
    assert_eq!(of(&[], 1), of(&[4], 1));
    assert_ne!(of(&[4], 1), of(&[4], 2));
}

#[test]
fn the_count_of_parameters_is_exact() {
    for (spec, input) in networks() {
        let frozen = Network::new(&spec, input, 3, 1).unwrap().freeze().unwrap();
        let (table, values) = frozen.parts();
        let trained = values.iter().zip(&frozen.layout().slots).filter(|(_, s)| s.trainable());
        let count = table.len() + trained.map(|(values, _)| values.len()).sum::<usize>();
        assert_eq!(spec.layout(input, 3).parameters(), count, "{spec:?}");
    }
    // 20-50-50-2, counted by hand.
    let layout = mlp(DenseSpec::hidden(&[50, 50])).layout(InputShape::Vector { width: 20 }, 2);
    assert_eq!((layout.parameters(), layout.flops()), (3_702, 2 * 3_600));
    let huge = bag(&[usize::MAX], Activation::Relu, Pooling::Mean);
    let vocabulary = usize::MAX;
    assert_eq!(huge.layout(InputShape::Bag { vocabulary }, 3).parameters(), usize::MAX);
}

#[test]
fn a_saved_network_loads_if_it_fits() {
    for (spec, input) in networks() {
        let frozen = Network::new(&spec, input, 2, 1).unwrap().freeze().unwrap();
        let saved = frozen.save();
        assert_eq!(Frozen::load(&spec, input, 2, &saved).unwrap(), frozen);
        assert!(Frozen::load(&spec, input, 3, &saved).is_err());
    }
    let (spec, input) = &networks()[1];
    let saved = Network::new(spec, *input, 2, 1).unwrap().freeze().unwrap().save();
    assert!(Frozen::load(spec, InputShape::Bag { vocabulary: 8 }, 2, &saved).is_err());
}

#[test]
fn steps_lower_the_loss_of_every_network() {
    for (spec, input) in networks() {
        let features = features(input);
        let mut network = Network::new(&spec, input, 3, 1).unwrap();
        let adam = crate::learn::optimizer::OptimizerSpec::Adam(AdamSpec::default());
        let mut optimizer = adam.build(&network.parameter_lengths());
        let mut losses = Vec::new();
        for key in 0..200 {
            optimizer.begin_step(0.05);
            let noise = Noise { ngrams: &none(), augmentation: &Augmentation::default(), key };
            let (data, records) = ((&features, &targets()), [0, 1, 2]);
            let plain = GradientSpec::PLAIN;
            let step = network.step(data, &records, noise, &plain, optimizer.as_mut()).unwrap();
            losses.push(step.loss);
        }
        // Units of a small net may be dead from the start.
        assert!(losses[199] < 0.5 * losses[0], "{spec:?} {} {}", losses[0], losses[199]);
    }
}
