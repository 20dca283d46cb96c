//! What the kernels reach, beside a plain matrix product (candle's, 512 × 512 × 512) and a plain copy of
//! memory (32 MB) measured in the same run, on one thread: `cargo bench --bench kernels [-- PART OF NAME]`.
//!
//! Each is run many times for a fraction of a millisecond, one after another in rounds; what is shown is
//! the least time, which other work on the machine stretches least. A ratio is to the plain product, in
//! floating-point operations a second, or to the plain copy, in bytes read and written a second; what
//! works in the nearest cache may be faster than a copy of memory.

use candle_core::{Device, Tensor};
use whereof::clock::SystemClock;
use whereof::learn::augment::Augmentation;
use whereof::learn::gradient::GradientSpec;
use whereof::learn::kernels::{
    self, AdamStep, Filters, Grid, Matrix, Packed, Patches, Windows, padded,
};
use whereof::learn::network::{
    DenseSpec, EmbeddingBagSpec, ImageCnnSpec, InputShape, MlpSpec, Network, NetworkSpec, Noise,
    TextCnnSpec,
};
use whereof::learn::optimizer::{AdamSpec, OptimizerSpec};
use whereof::learn::regularize::NgramDropout;
use whereof::learn::rows::{DenseRows, Features, SparseRows, Targets};

type Failure = Box<dyn std::error::Error + Send + Sync>;

// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds, and what one takes of a piece of work at least.
const ROUNDS: usize = 60;
const SECONDS: f64 = 3e-4;

/// A piece of work.
struct Work {
    name: String,
    /// Floating-point operations, or bytes read and written.
    amount: Amount,
    run: Box<dyn FnMut() -> Result<(), Failure>>,
    /// Runs of a round, once known, and the least seconds of one.
    runs: usize,
    least: f64,
}

#[derive(Clone, Copy)]
enum Amount {
    Flops(f64),
    Bytes(f64),
}

fn work(
    name: impl Into<String>,
    amount: Amount,
    run: impl FnMut() -> Result<(), Failure> + 'static,
) -> Work {
    Work { name: name.into(), amount, run: Box::new(run), runs: 1, least: f64::INFINITY }
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37).sin()).collect()
}

/// Numbers that no processor predicts.
fn scattered(count: usize, below: usize) -> Vec<u32> {
    let next = |x: &mut u64| {
        *x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*x >> 33) as u32 % below as u32)
    };
    let mut state = 1;
    (0..count).filter_map(|_| next(&mut state)).collect()
}

fn plain() -> Result<[Work; 2], Failure> {
    let side = 512usize;
    let matrix = |count| Tensor::from_vec(values(count), (side, side), &Device::Cpu);
    let (a, b) = (matrix(side * side)?, matrix(side * side)?);
    let product = work("plain product", Amount::Flops(2.0 * (side as f64).powi(3)), move || {
        std::hint::black_box(a.matmul(&b)?);
        Ok(())
    });
    let (from, mut to) = (values(4 << 20), vec![0f32; 4 << 20]);
    let copy = work("plain copy", Amount::Bytes(8.0 * from.len() as f64), move || {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
        Ok(())
    });
    Ok([product, copy])
}

fn products() -> Vec<Work> {
    let sizes = [
        ("text step", 64, 150, 64),
        ("MLP 20-50-50-2", 200, 50, 50),
        ("MLP 784-512", 200, 512, 784),
        ("tiny", 10, 10, 10),
    ];
    let of = |(name, m, n, k): (&str, usize, usize, usize)| {
        let (a, b, mut c) = (values(m * k), values(n * k), vec![0.0; m * n]);
        let mut packed = Packed::default();
        let flops = Amount::Flops((2 * m * n * k) as f64);
        work(format!("product {m} × {n} × {k} ({name})"), flops, move || {
            let b = Matrix::new(&b, k).transposed();
            kernels::add_product(Matrix::new(&a, k), b, &mut c, &mut packed);
            Ok(())
        })
    };
    sizes.into_iter().map(of).collect()
}

fn convolutions() -> Vec<Work> {
    let mut all = Vec::new();
    let image = |side: usize, from: usize| {
        let (step, length) = (from, 3 * from);
        Patches { rows: side, columns: side, step, runs: 3, length, stride: (side + 2) * from }
    };
    let text = Patches { rows: 1, columns: 30, step: 100, runs: 1, length: 300, stride: 0 };
    for (name, patches, count) in [
        ("28 × 28, 1 to 16", image(28, 1), 16),
        ("14 × 14, 16 to 32", image(14, 16), 32),
        ("32 words of 100, 100 filters of 3", text, 100),
    ] {
        let (size, width) = (patches.size(), padded(count));
        let positions = patches.rows * patches.columns;
        let flops = Amount::Flops((2 * positions * size * count) as f64);
        let record = values((patches.rows + patches.runs) * patches.stride.max(32 * 100));
        let mut filters = Filters::default();
        filters.pack((count, size), |filter, k| ((filter * 31 + k) as f32).sin());
        let (of, mut out) = (record.clone(), vec![0.0; positions * width]);
        all.push(work(format!("convolution, {name}"), flops, move || {
            kernels::convolve(patches, &of, &filters, &mut out);
            Ok(())
        }));
        if patches.rows > 1 {
            let (upstream, mut sums) = (values(positions * width), vec![0.0; size * width]);
            let grid = Grid { width, stride: patches.columns * width };
            all.push(work(format!("its filters' gradient, {name}"), flops, move || {
                kernels::add_filter_gradient(patches, &record, grid, &upstream, &mut sums);
                Ok(())
            }));
        }
    }
    all
}

fn passes() -> Vec<Work> {
    let count = 4096usize;
    let bytes = |numbers: usize| Amount::Bytes(4.0 * numbers as f64);
    let mut all = Vec::new();
    let (mut w, mut m, mut v, g) = (values(count), values(count), vec![0.1; count], values(count));
    let step = AdamStep {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        correction1: 0.1,
        correction2: 0.001,
        shrink: 1.0,
    };
    all.push(work("Adam, 4,096 numbers", bytes(7 * count), move || {
        kernels::adam(&step, &mut w, &mut m, &mut v, &g);
        Ok(())
    }));
    let (table, ids, weights) = (values(20_000 * 100), scattered(64 * 40, 20_000), vec![0.1; 40]);
    let mut out = vec![0.0; 100];
    all.push(work("bags of 40 of 20,000 rows of 100", bytes(64 * 41 * 100), move || {
        for ids in ids.chunks_exact(40) {
            kernels::pool(&table, ids, &weights, 1.0, &mut out);
        }
        Ok(())
    }));
    let z = values(64 * 150);
    let mut rows = z.clone();
    all.push(work("softmax cross-entropy, 64 × 150", bytes(4 * 64 * 150), move || {
        rows.copy_from_slice(&z);
        for row in rows.chunks_exact_mut(150) {
            std::hint::black_box(kernels::cross_entropy(row, 7, 0.1));
        }
        Ok(())
    }));
    let windows = Windows { count: 14, step: 32, rows: 2, stride: 28 * 16, columns: 2 };
    let (of, pooled) = (values(28 * 28 * 16), 14 * 16);
    let (mut most, mut places) = (vec![0.0; pooled], vec![0.0; pooled]);
    all.push(work("2 × 2 maxima, 28 × 28 × 16", bytes(28 * 28 * 16 * 3 / 2), move || {
        for row in 0..14 {
            let of = &of[row * 2 * 28 * 16..];
            kernels::largest(windows, of, 16, &mut most, &mut places);
        }
        Ok(())
    }));
    all
}

/// Steps of whole networks: forward, back and Adam. Operations are three times those of the way forward.
fn steps() -> Result<Vec<Work>, Failure> {
    let image = InputShape::Image { channels: 1, height: 28, width: 28 };
    let cnn = ImageCnnSpec { filters: vec![16, 32], ..ImageCnnSpec::default() };
    let mlp = |hidden: &[usize]| NetworkSpec::Mlp(MlpSpec { dense: DenseSpec::hidden(hidden) });
    let text =
        TextCnnSpec { dimension: 100, filters: 100, max_words: 32, ..TextCnnSpec::default() };
    let bag = EmbeddingBagSpec { dimension: 100, ..EmbeddingBagSpec::default() };
    let vocabulary = InputShape::Bag { vocabulary: 20_000 };
    let vector = |width| InputShape::Vector { width };
    let given = [
        ("image CNN 28 × 28, 16 and 32 filters", NetworkSpec::ImageCnn(cnn), image, 64, 4),
        ("text CNN, 32 words of 100, 3 × 100", NetworkSpec::TextCnn(text), vocabulary, 64, 150),
        ("MLP 20-50-50-2", mlp(&[50, 50]), vector(20), 200, 2),
        ("MLP 784-512-512-4", mlp(&[512, 512]), vector(784), 200, 4),
        (
            "bag of 32 of 20,000 × 100, 150 classes",
            NetworkSpec::EmbeddingBag(bag),
            vocabulary,
            64,
            150,
        ),
    ];
    let step =
        |(name, spec, input, batch, classes): (&str, NetworkSpec, InputShape, usize, usize)| {
            let labels = (0..batch).map(|i| (i % classes) as u32).collect();
            let targets = Targets::MultiClass { labels, classes };
            let features = match input {
                InputShape::Bag { vocabulary } => {
                    let mut rows = SparseRows::default();
                    for ids in scattered(batch * 32, vocabulary).chunks_exact(32) {
                        rows.push(ids, &[1.0 / 32.0; 32], 32);
                    }
                    Features::Sparse(rows)
                }
                input => {
                    let mut rows = DenseRows::new(input.width());
                    values(batch * input.width())
                        .chunks_exact(input.width())
                        .for_each(|r| rows.push(r));
                    Features::Dense(rows)
                }
            };
            let flops = spec.layout(input, classes).flops() as f64 * 3.0 * batch as f64;
            let mut network = Network::new(&spec, input, classes, 1)?;
            let mut optimizer =
                OptimizerSpec::Adam(AdamSpec::default()).build(&network.parameter_lengths());
            let records: Vec<usize> = (0..batch).collect();
            let none = NgramDropout::new(0.0, 0, 0);
            let augmentation = Augmentation::default();
            let name = format!("step of {batch}: {name}");
            Ok(work(name, Amount::Flops(flops), move || {
                optimizer.begin_step(1e-3);
                let noise = Noise { ngrams: &none, augmentation: &augmentation, key: 1 };
                let data = (&features, &targets);
                network.step(data, &records, noise, &GradientSpec::PLAIN, optimizer.as_mut())?;
                Ok(())
            }))
        };
    given.into_iter().map(step).collect()
}

/// Measures each in turn, in rounds.
fn measure(all: &mut [Work]) -> Result<(), Failure> {
    let clock = SystemClock::shared();
    for round in 0..ROUNDS {
        for work in &mut *all {
            let began = clock.monotonic();
            for _ in 0..work.runs {
                (work.run)()?;
            }
            let seconds = (clock.monotonic() - began).as_secs_f64() / work.runs as f64;
            // The first ones only tell how many runs a round takes.
            if round < 3 {
                work.runs = ((SECONDS / seconds) as usize).max(1);
            } else {
                work.least = work.least.min(seconds);
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // Other commands that run all targets, such as `cargo test --all-targets`, do not mean this.
    if !given.iter().any(|argument| argument == "--bench") {
        println!("run it with `cargo bench --bench kernels`");
        return Ok(());
    }
    let part = given.iter().find(|argument| !argument.starts_with("--"));
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let mut all: Vec<Work> = plain()?.into();
    let kernels = [products(), convolutions(), passes(), steps()?].into_iter().flatten();
    all.extend(kernels.filter(|work| part.is_none_or(|part| work.name.contains(part.as_str()))));
    measure(&mut all)?;
    let rate = |work: &Work| match work.amount {
        Amount::Flops(amount) | Amount::Bytes(amount) => amount / work.least / 1e9,
    };
    let (product, copy) = (rate(&all[0]), rate(&all[1]));
    println!("| work | µs | reached | of the plain product or copy |\n|---|---|---|---|");
    for work in &all {
        let (unit, plain) = match work.amount {
            Amount::Flops(_) => ("GFLOP/s", product),
            Amount::Bytes(_) => ("GB/s", copy),
        };
        let (name, reached) = (&work.name, rate(work));
        println!(
            "| {name} | {:.2} | {reached:.1} {unit} | {:.2} |",
            work.least * 1e6,
            reached / plain
        );
    }
    Ok(())
}
