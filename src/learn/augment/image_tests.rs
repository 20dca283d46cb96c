use super::*;

const SHAPE: ImageShape = ImageShape { channels: 2, height: 5, width: 6 };

/// Every value another.
fn image() -> Vec<f32> {
    (0..SHAPE.channels * SHAPE.height * SHAPE.width).map(|i| i as f32).collect()
}

fn augmented(spec: ImageAugmentationSpec, epoch: usize, record: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; 3];
    ImageAugmentation::new(spec, 1, epoch).apply(record, &image(), SHAPE, &mut out);
    out
}

fn at(values: &[f32], channel: usize, row: usize, column: usize) -> f32 {
    values[(channel * SHAPE.height + row) * SHAPE.width + column]
}

/// Whether every value is where `source` (row, column) says it was, in both channels.
fn comes_from(out: &[f32], source: impl Fn(i64, i64) -> (i64, i64)) -> bool {
    let image = image();
    (0..SHAPE.channels).all(|channel| {
        (0..SHAPE.height).all(|row| {
            (0..SHAPE.width).all(|column| {
                let (y, x) = source(row as i64, column as i64);
                let y = y.clamp(0, SHAPE.height as i64 - 1) as usize;
                let x = x.clamp(0, SHAPE.width as i64 - 1) as usize;
                at(out, channel, row, column) == at(&image, channel, y, x)
            })
        })
    })
}

fn every() -> Vec<ImageAugmentationSpec> {
    let none = ImageAugmentationSpec::default;
    vec![
        ImageAugmentationSpec { flip: 0.5, ..none() },
        ImageAugmentationSpec { vertical_flip: 0.5, ..none() },
        ImageAugmentationSpec { shift: 0.4, ..none() },
        ImageAugmentationSpec { crop: 0.3, ..none() },
        ImageAugmentationSpec { rotate: 30.0, ..none() },
        ImageAugmentationSpec { noise: 0.1, ..none() },
        ImageAugmentationSpec { cut_out: 0.5, ..none() },
        ImageAugmentationSpec {
            flip: 0.5,
            vertical_flip: 0.5,
            shift: 0.4,
            crop: 0.3,
            rotate: 30.0,
            noise: 0.1,
            cut_out: 0.5,
        },
    ]
}

#[test]
fn nothing_is_done_by_default() {
    assert_eq!(augmented(ImageAugmentationSpec::default(), 0, 0), image());
}

#[test]
fn changes_repeat_and_differ_by_epoch_and_record() {
    for spec in every() {
        let series = |epoch, first: usize| -> Vec<Vec<f32>> {
            (first..first + 20).map(|record| augmented(spec.clone(), epoch, record)).collect()
        };
        assert!(series(0, 0).iter().flatten().all(|x| x.is_finite()));
        assert!(series(0, 0).iter().any(|out| *out != image()), "{spec:?} does nothing");
        assert_eq!(series(0, 0), series(0, 0), "{spec:?}");
        assert_ne!(series(0, 0), series(1, 0), "{spec:?}");
        assert_ne!(series(0, 0), series(0, 100), "{spec:?}");
    }
}

#[test]
fn flips_mirror_their_share_exactly() {
    let (height, width) = (SHAPE.height as i64, SHAPE.width as i64);
    let always = ImageAugmentationSpec { flip: 1.0, ..Default::default() };
    assert!(comes_from(&augmented(always, 0, 0), |y, x| (y, width - 1 - x)));
    let always = ImageAugmentationSpec { vertical_flip: 1.0, ..Default::default() };
    assert!(comes_from(&augmented(always, 0, 0), |y, x| (height - 1 - y, x)));
    let some = ImageAugmentationSpec { flip: 0.3, ..Default::default() };
    let flipped = (0..3_000).filter(|record| augmented(some.clone(), 0, *record) != image());
    let share = flipped.count() as f64 / 3_000.0;
    assert!((share - 0.3).abs() < 5.0 * (0.21f64 / 3_000.0).sqrt(), "{share}");
}

/// Whole pixels, up to the share, each as often; beyond the edge, the edge.
#[test]
fn shifts_move_by_whole_pixels() {
    let spec = ImageAugmentationSpec { shift: 0.34, ..Default::default() };
    // At most ⌊1.7⌋ rows and ⌊2.04⌋ columns.
    let mut counts = std::collections::BTreeMap::new();
    for record in 0..1_500 {
        let out = augmented(spec.clone(), 0, record);
        let shifts = (-1..=1).flat_map(|dy| (-2..=2).map(move |dx| (dy, dx)));
        let mut found = shifts.filter(|(dy, dx)| comes_from(&out, |y, x| (y + dy, x + dx)));
        *counts.entry(found.next().expect("another movement than a shift")).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 15);
    assert!(counts.values().all(|count| (50..150).contains(count)), "{counts:?}");
}

/// A crop of a ramp is a ramp: less steep, and within the old one's values.
#[test]
fn crops_enlarge_a_part() {
    let shape = ImageShape { channels: 1, height: 1, width: 100 };
    let ramp: Vec<f32> = (0..100).map(|x| x as f32).collect();
    let spec = ImageAugmentationSpec { crop: 0.4, ..Default::default() };
    let (mut least, mut most, mut firsts) = (1.0f32, 0.0f32, Vec::new());
    for record in 0..300 {
        let mut out = Vec::new();
        let crop = ImageAugmentation::new(spec.clone(), 1, 0);
        crop.apply(record, &ramp, shape, &mut out);
        let slope = (out[90] - out[10]) / 80.0;
        assert!(out.windows(2).all(|w| w[0] <= w[1]));
        (least, most) = (least.min(slope), most.max(slope));
        firsts.push(out[0]);
    }
    assert!((0.6..0.62).contains(&least) && (0.98..=1.0).contains(&most), "{least} {most}");
    // From the left end to where the smallest part just fits.
    assert!(firsts.iter().any(|f| *f < 2.0) && firsts.iter().all(|f| *f <= 40.0));
    assert!(firsts.iter().any(|f| *f > 20.0), "crops stay at the left");
}

/// A quarter turn of a square image, by the movement itself, puts every pixel on another one's place.
#[test]
fn a_rotation_turns_about_the_middle() {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let image: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let mut out = Vec::new();
    Movement { sin: 1.0, cos: 0.0, ..Movement::NONE }.resample(&image, shape, &mut out);
    for row in 0..4 {
        for column in 0..4 {
            assert_eq!(out[row * 4 + column], image[column * 4 + 3 - row], "{row}, {column}");
        }
    }
    let limit =
        ImageAugmentation::new(ImageAugmentationSpec { rotate: 20.0, ..Default::default() }, 1, 0);
    let angles: Vec<f64> = (0..1_000)
        .map(|record| limit.movement(record_key(1, 0, record), shape).unwrap())
        .map(|movement| movement.sin.atan2(movement.cos).to_degrees())
        .collect();
    let mean = angles.iter().sum::<f64>() / 1_000.0;
    assert!(angles.iter().all(|angle| angle.abs() <= 20.0) && mean.abs() < 5.0 * 11.6 / 31.6);
    assert!(angles.iter().any(|angle| *angle > 19.0) && angles.iter().any(|angle| *angle < -19.0));
}

/// Half way between two pixels is their mean.
#[test]
fn values_are_linear_between_pixels() {
    let channel = [0.0, 10.0, 20.0, 40.0];
    let cases = [
        ((0.0, 0.0), 0.0),
        ((0.5, 0.0), 5.0),
        ((0.0, 0.5), 10.0),
        ((0.5, 0.5), 17.5),
        ((9.0, -3.0), 10.0),
    ];
    for ((x, y), expected) in cases {
        assert_eq!(between(&channel, (2, 2), x, y), expected, "({x}, {y})");
    }
}

#[test]
fn noise_has_its_deviation() {
    let spec = ImageAugmentationSpec { noise: 0.2, ..Default::default() };
    let squares: f64 = (0..500)
        .flat_map(|record| augmented(spec.clone(), 0, record).into_iter().zip(image()))
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum();
    let variance = squares / 30_000.0;
    assert!((variance - 0.04).abs() < 5.0 * 0.04 * (2.0 / 30_000.0f64).sqrt(), "{variance}");
}

/// One square in all channels, at most of its side, filled with the channel's mean.
#[test]
fn cut_outs_fill_a_square_with_the_mean() {
    let spec = ImageAugmentationSpec { cut_out: 0.6, ..Default::default() };
    let image = image();
    let mut sizes = std::collections::BTreeSet::new();
    for record in 0..500 {
        let out = augmented(spec.clone(), 0, record);
        let (mut rows, mut columns) = (Vec::new(), Vec::new());
        for row in 0..SHAPE.height {
            for column in 0..SHAPE.width {
                let changed =
                    (0..2).map(|c| at(&out, c, row, column) != at(&image, c, row, column));
                let changed: Vec<bool> = changed.collect();
                assert_eq!(changed[0], changed[1]);
                if changed[0] {
                    // Means of 0 to 29 and of 30 to 59.
                    assert_eq!((at(&out, 0, row, column), at(&out, 1, row, column)), (14.5, 44.5));
                    rows.push(row);
                    columns.push(column);
                }
            }
        }
        let extent =
            |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap() + 1;
        let (height, width) = (extent(&rows), extent(&columns));
        assert_eq!(rows.len(), height * width, "no rectangle");
        sizes.insert((height, width));
    }
    // 0.6 of 5 is 3; at the edges 2 or less is left of it.
    assert!(sizes.contains(&(3, 3)) && sizes.iter().all(|(h, w)| *h <= 3 && *w <= 3), "{sizes:?}");
    assert!(sizes.len() > 1);
}
