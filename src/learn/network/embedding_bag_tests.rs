use super::*;
use crate::learn::optimizer::AdamSpec;

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

fn data() -> (SparseRows, Targets) {
    let mut rows = SparseRows::default();
    rows.push(&[0, 2], &[0.5, 0.25], 4);
    rows.push(&[1, 2, 4], &[0.2, 0.3, 0.5], 3);
    rows.push(&[], &[], 2);
    (rows, Targets::MultiClass { labels: vec![2, 0, 1], classes: 3 })
}

fn spec(hidden: &[usize], activation: Activation, pooling: Pooling) -> NetworkSpec {
    let hidden = hidden.to_vec();
    NetworkSpec::EmbeddingBag(EmbeddingBagSpec { dimension: 4, pooling, hidden, activation })
}

fn none() -> NgramDropout {
    NgramDropout::new(0.0, 0, 0)
}

fn loss(frozen: &Frozen, spec: &NetworkSpec, rows: &SparseRows, targets: &Targets) -> f64 {
    let mut network = Network::thaw(frozen, spec).unwrap();
    let records: Vec<usize> = (0..rows.len()).collect();
    let mut ignore = Descend;
    let StepOutcome { loss, .. } = network
        .step((rows, targets), &records, &none(), &GradientSpec::PLAIN, &mut ignore)
        .unwrap();
    f64::from(loss)
}

/// Every parameter's gradient, the table's included, against central differences.
#[test]
fn gradients_agree_with_finite_differences() {
    let (rows, targets) = data();
    for spec in [
        spec(&[], Activation::Relu, Pooling::Mean),
        spec(&[5], Activation::Tanh, Pooling::SqrtN),
        spec(&[6, 3], Activation::Relu, Pooling::Mean),
    ] {
        let mut network = Network::new(&spec, 5, 3, 7).unwrap();
        // Larger vectors than the initial ones, so that differences stand clear of rounding.
        network.table.iter_mut().for_each(|v| *v *= 20.0);
        let (table, mut layers) = (network.table.clone(), network.layers().unwrap());
        // An empty record would stand exactly at a kink if biases were zero.
        for (i, bias) in layers.iter_mut().flat_map(|l| &mut l.bias).enumerate() {
            *bias = 0.1 * (i as f32 + 1.0) * if i % 2 == 0 { 1.0 } else { -1.0 };
        }
        let before = Frozen::new(spec.clone(), table, layers);
        let mut network = Network::thaw(&before, &spec).unwrap();
        network
            .step((&rows, &targets), &[0, 1, 2], &none(), &GradientSpec::PLAIN, &mut Descend)
            .unwrap();
        let after = network.freeze().unwrap();
        let flat = |frozen: &Frozen| -> Vec<f32> {
            let (table, layers) = frozen.parts();
            let dense = layers.iter().flat_map(|l| l.weight.iter().chain(&l.bias));
            table.iter().chain(dense).copied().collect()
        };
        let (start, end) = (flat(&before), flat(&after));
        let rebuilt = |values: &[f32]| {
            let (table, layers) = before.parts();
            let (table_values, mut rest) = values.split_at(table.len());
            let mut take = |length: usize| {
                let (head, tail) = rest.split_at(length);
                rest = tail;
                head.to_vec()
            };
            let layers = layers
                .iter()
                .map(|l| Layer { weight: take(l.weight.len()), bias: take(l.bias.len()) })
                .collect();
            Frozen::new(spec.clone(), table_values.to_vec(), layers)
        };
        for i in 0..start.len() {
            let shifted = |by: f32| {
                let mut values = start.clone();
                values[i] += by;
                loss(&rebuilt(&values), &spec, &rows, &targets)
            };
            let difference = (shifted(0.002) - shifted(-0.002)) / 0.004;
            let gradient = f64::from(start[i] - end[i]);
            assert!((gradient - difference).abs() < 1e-3, "{i}: {gradient} {difference}");
        }
    }
}

#[test]
fn training_and_scoring_evaluate_alike() {
    let (rows, _) = data();
    let spec = spec(&[6, 3], Activation::Relu, Pooling::SqrtN);
    let network = Network::new(&spec, 5, 3, 1).unwrap();
    let frozen = network.freeze().unwrap();
    // The loss of a record is −ln softmax of the logits that scoring gives.
    for record in 0..3 {
        let (_, logits) = frozen.view().evaluate(rows.row(record));
        for class in 0..3u32 {
            let targets = Targets::MultiClass { labels: vec![class; 3], classes: 3 };
            let mut copy = Network::thaw(&frozen, &spec).unwrap();
            let step = copy
                .step((&rows, &targets), &[record], &none(), &GradientSpec::PLAIN, &mut Descend)
                .unwrap();
            let total: f32 = logits.iter().map(|z| z.exp()).sum();
            let expected = total.ln() - logits[class as usize];
            assert!((step.loss - expected).abs() < 1e-5, "{} {expected}", step.loss);
        }
    }
}

#[test]
fn unknown_features_shrink_the_logits_to_the_bias() {
    let (rows, _) = data();
    let network = Network::new(&spec(&[], Activation::Relu, Pooling::Mean), 5, 3, 1).unwrap();
    let (pooled, logits) = network.freeze().unwrap().view().evaluate(rows.row(2));
    assert_eq!((pooled, logits), (vec![0.0; 4], vec![0.0; 3]));
}

#[test]
fn parameters_depend_on_the_seed_and_their_names_alone() {
    let shallow = Network::new(&spec(&[], Activation::Relu, Pooling::Mean), 5, 3, 1).unwrap();
    let deep = Network::new(&spec(&[4], Activation::Relu, Pooling::Mean), 5, 3, 1).unwrap();
    let other = Network::new(&spec(&[4], Activation::Relu, Pooling::Mean), 5, 3, 2).unwrap();
    assert_eq!(shallow.table, deep.table);
    assert_ne!(deep.table, other.table);
}

#[test]
fn the_estimate_of_parameters_is_exact() {
    for spec in
        [spec(&[], Activation::Relu, Pooling::Mean), spec(&[5, 7], Activation::Relu, Pooling::Mean)]
    {
        let frozen = Network::new(&spec, 11, 3, 1).unwrap().freeze().unwrap();
        assert_eq!(spec.parameters(11, 3), frozen.parameters() as u64);
    }
    let huge = spec(&[usize::MAX], Activation::Relu, Pooling::Mean);
    assert_eq!(huge.parameters(u64::MAX, 3), u64::MAX);
}

#[test]
fn a_saved_network_loads_if_it_fits() {
    let spec = spec(&[5], Activation::Relu, Pooling::Mean);
    let frozen = Network::new(&spec, 7, 2, 1).unwrap().freeze().unwrap();
    let saved = frozen.save();
    assert_eq!(Frozen::load(&spec, 7, 2, &saved).unwrap(), frozen);
    assert!(Frozen::load(&spec, 8, 2, &saved).is_err());
    assert!(Frozen::load(&spec, 7, 3, &saved).is_err());
}

#[test]
fn steps_lower_the_loss() {
    let (rows, targets) = data();
    let spec = spec(&[8], Activation::Relu, Pooling::Mean);
    let mut network = Network::new(&spec, 5, 3, 1).unwrap();
    let adam = crate::learn::optimizer::OptimizerSpec::Adam(AdamSpec::default());
    let mut optimizer = adam.build(&network.parameter_lengths());
    let mut losses = Vec::new();
    for _ in 0..200 {
        optimizer.begin_step(0.05);
        let step = network.step(
            (&rows, &targets),
            &[0, 1, 2],
            &none(),
            &GradientSpec::PLAIN,
            optimizer.as_mut(),
        );
        losses.push(step.unwrap().loss);
    }
    assert!(losses[199] < 0.05 && losses[0] > 0.9, "{} {}", losses[0], losses[199]);
}
