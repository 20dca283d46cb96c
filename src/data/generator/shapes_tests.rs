use std::f64::consts::PI;

use super::super::tests::{faults_of, table_of};
use super::*;

/// Width, height, channels and values of an image cell.
fn decoded(cell: &Cell) -> (u32, u32, usize, Vec<u8>) {
    let Cell::Text(text) = cell else { panic!("{cell:?} is no text") };
    let file = STANDARD.decode(text).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut values = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut values).unwrap();
    assert_eq!(info.bit_depth, png::BitDepth::Eight);
    (info.width, info.height, info.color_type.samples(), values)
}

fn labels(cell: &Cell) -> Vec<String> {
    let Cell::List(labels) = cell else { panic!("{cell:?} is no list") };
    labels.clone()
}

#[test]
fn images_are_png_files_of_the_size_and_channels_asked_for() {
    for (size, channels) in [(16, 1), (33, 3), (128, 1)] {
        let table = table_of(&ShapesSpec { images: 5, size, channels, ..Default::default() });
        assert_eq!((table.names, table.rows.len()), (vec!["image".into(), "labels".into()], 5));
        for row in table.rows {
            let (width, height, found, values) = decoded(&row[0]);
            assert_eq!((width as usize, height as usize, found), (size, size, channels));
            assert_eq!(values.len(), size * size * channels);
        }
    }
}

/// Without noise, whatever is off the background is a shape: at least a dozen pixels for each label.
#[test]
fn every_label_is_a_shape_that_can_be_seen() {
    for size in [16, 32] {
        let spec =
            ShapesSpec { images: 200, size, max_shapes: 4, noise: 0.0, ..Default::default() };
        for row in table_of(&spec).rows {
            let (.., values) = decoded(&row[0]);
            let mut counts = std::collections::BTreeMap::new();
            values.iter().for_each(|value| *counts.entry(*value).or_insert(0) += 1);
            let background = *counts.iter().max_by_key(|(_, count)| **count).unwrap().0;
            let clear = |value: &u8| value.abs_diff(background) > 60;
            let visible = values.iter().filter(|value| clear(value)).count();
            let labels = labels(&row[1]);
            assert!(visible >= labels.len() * 12, "{visible} pixels for {labels:?}");
        }
    }
}

#[test]
fn shapes_stay_inside_and_apart() {
    for size in [16, 17, 64] {
        let spec = ShapesSpec { size, max_shapes: 4, ..Default::default() };
        let mut rng = random::stream(5, "test");
        for _ in 0..2_000 {
            let shapes = spec.draw(&mut rng);
            for (i, shape) in shapes.iter().enumerate() {
                for at in [shape.x, shape.y] {
                    assert!(at - shape.extent >= 0.0 && at + shape.extent <= size as f64);
                }
                let others = shapes[i + 1..].iter();
                assert!(others.clone().all(|o| o.kind != shape.kind && shape.is_apart_from(o)));
            }
        }
    }
}

/// Numbers of shapes are uniform, kinds equally likely, labels sorted.
#[test]
fn labels_are_sorted_and_balanced() {
    let spec = ShapesSpec { images: 6_000, size: 16, noise: 0.0, ..Default::default() };
    let (mut sizes, mut kinds) = ([0; 5], std::collections::BTreeMap::new());
    for row in table_of(&spec).rows {
        let labels = labels(&row[1]);
        assert!(labels.windows(2).all(|pair| pair[0] < pair[1]), "{labels:?}");
        sizes[labels.len()] += 1;
        labels.into_iter().for_each(|label| *kinds.entry(label).or_insert(0) += 1);
    }
    // A third of 6,000 each, and half of them show a kind: five standard errors are 183 and 194.
    assert_eq!((sizes[0], sizes[4]), (0, 0));
    assert!(sizes[1..4].iter().all(|count| (1_817..2_183).contains(count)), "{sizes:?}");
    assert_eq!(kinds.len(), KINDS.len());
    assert!(kinds.values().all(|count| (2_806..3_194).contains(count)), "{kinds:?}");
}

#[test]
fn noise_has_its_standard_deviation() {
    let still = ShapesSpec { images: 1, size: 128, noise: 0.0, ..Default::default() };
    let noisy = ShapesSpec { noise: 0.02, ..still.clone() };
    let values = |spec: &ShapesSpec| decoded(&table_of(spec).rows[0][0]).3;
    let (still, noisy) = (values(&still), values(&noisy));
    // Of pixels that are far enough from black and white not to be cut.
    let pairs = still.iter().zip(&noisy).filter(|(a, _)| (40..215).contains(*a));
    let squares = pairs.clone().map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let deviation = (squares.sum::<f64>() / pairs.count() as f64).sqrt() / 255.0;
    assert!((deviation - 0.02).abs() < 0.001, "{deviation}");
}

#[test]
fn kinds_cover_what_their_names_say() {
    assert!(KINDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    // Shares of the square around a shape: π/4, 5/9, 0.81, 1/2.
    let areas = [("circle", PI / 4.0), ("cross", 5.0 / 9.0), ("square", 0.81), ("triangle", 0.5)];
    for ((name, covers), (expected_name, expected)) in KINDS.into_iter().zip(areas) {
        let at = |i: usize| (i as f64 + 0.5) / 100.0 - 1.0;
        let inside = (0..40_000).filter(|i| covers(at(i % 200), at(i / 200))).count();
        assert_eq!(name, expected_name);
        assert!((inside as f64 / 40_000.0 - expected).abs() < 0.01, "{name}: {inside}");
    }
}

#[test]
fn two_channels_and_too_many_pixels_are_refused() {
    assert_eq!(faults_of(&ShapesSpec { channels: 2, ..Default::default() }), ["channels"]);
    let large = ShapesSpec { images: 1_303, size: 128, channels: 3, ..Default::default() };
    assert_eq!(faults_of(&large), ["images"]);
    assert!(faults_of(&ShapesSpec { images: 1_302, ..large }).is_empty());
}
