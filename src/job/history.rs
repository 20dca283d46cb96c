//! Metric histories, thinned for drawing.

use super::MetricPoint;

/// At most `max_points` points: in each of equal runs of points, the first, the last, the smallest
/// and the largest are kept, so that no spike is lost. Points that are not finite count as larger
/// than any other. Where fewer than four are asked for, these are of all the points the last, the
/// first and the largest, in this order of importance.
pub fn thin(points: &[MetricPoint], max_points: usize) -> Vec<MetricPoint> {
    let [first, .., last] = points else {
        return points.iter().take(max_points).copied().collect();
    };
    if points.len() <= max_points {
        return points.to_vec();
    }
    let by_order = |a: &&MetricPoint, b: &&MetricPoint| order(a).total_cmp(&order(b));
    match max_points {
        0 => return Vec::new(),
        1 => return vec![*last],
        2 => return vec![*first, *last],
        3 => {
            let between = points[1..points.len() - 1].iter().max_by(by_order);
            return [Some(first), between, Some(last)].into_iter().flatten().copied().collect();
        }
        _ => {}
    }
    let buckets = max_points / 4;
    let size = points.len().div_ceil(buckets);
    let mut kept = Vec::with_capacity(buckets * 4);
    for bucket in points.chunks(size) {
        let by_value = |a: &&usize, b: &&usize| order(&bucket[**a]).total_cmp(&order(&bucket[**b]));
        let positions: Vec<usize> = (0..bucket.len()).collect();
        let smallest = positions.iter().min_by(by_value).copied().unwrap_or(0);
        let largest = positions.iter().max_by(by_value).copied().unwrap_or(0);
        let mut chosen = [0, smallest, largest, bucket.len() - 1];
        chosen.sort_unstable();
        let mut last = None;
        for position in chosen {
            if last != Some(position) {
                kept.push(bucket[position]);
            }
            last = Some(position);
        }
    }
    kept
}

fn order(point: &MetricPoint) -> f64 {
    if point.value.is_finite() { point.value } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<MetricPoint> {
        let point = |(i, value)| MetricPoint {
            step: i as u64 + 1,
            epoch: 1,
            value,
            time: Timestamp::from_millis(i as i64),
        };
        values.into_iter().enumerate().map(point).collect()
    }

    #[test]
    fn ends_and_spikes_survive() {
        let mut values: Vec<f64> = (0..10_000).map(|i| f64::from(i).sin()).collect();
        values[5_432] = 99.0;
        values[1_234] = -99.0;
        values[7_777] = f64::NAN;
        let all = points(values);
        let thinned = thin(&all, 400);
        assert!(thinned.len() <= 400);
        assert_eq!((thinned[0].step, thinned.last().unwrap().step), (1, 10_000));
        for value in [99.0, -99.0] {
            assert!(thinned.iter().any(|p| p.value == value));
        }
        assert!(thinned.iter().any(|p| p.value.is_nan()));
        assert!(thinned.windows(2).all(|pair| pair[0].step < pair[1].step));
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let few = points([1.0, 2.0, 3.0]);
        assert_eq!(thin(&few, 3), few);
        assert_eq!(thin(&[], 1), []);
    }

    #[test]
    fn never_more_than_was_asked_for() {
        for length in 0..40 {
            let all = points((0..length).map(|i| f64::from(i).sin()));
            for most in 0..45 {
                let kept = thin(&all, most);
                assert!(kept.len() <= most, "{} of {length} for {most}", kept.len());
                assert!(kept.windows(2).all(|pair| pair[0].step < pair[1].step));
                assert!(most == 0 || kept.last() == all.last());
                assert!(most < 2 || kept.first() == all.first());
            }
        }
        let spike = points([0.0, 1.0, 9.0, 2.0, 0.5]);
        let values = |most| thin(&spike, most).iter().map(|p| p.value).collect::<Vec<f64>>();
        assert_eq!(
            (values(1), values(2), values(3)),
            (vec![0.5], vec![0.0, 0.5], vec![0.0, 9.0, 0.5])
        );
    }
}
