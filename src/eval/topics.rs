//! What texts are about: a few topics, found from the words that records share and named by the words
//! that set them apart. A topic that is left out of training shows how a model does on what is new to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Matrix;
use super::prototypes::{dot, unit};
use super::similar::{assign, centres};
use crate::random;

/// Numbers of topics that are tried.
pub const TOPICS: std::ops::RangeInclusive<usize> = 2..=8;
/// Records with words that topics need.
pub const MIN_RECORDS: usize = 40;
/// Records that the smallest topic must have.
pub const MIN_TOPIC: usize = 10;
/// Directions of the space in which records are compared.
const DIRECTIONS: usize = 16;
/// Rounds of the subspace iteration.
const ROUNDS: usize = 4;
/// Records whose silhouette is taken at most; a seeded sample beyond that.
const SILHOUETTES: usize = 600;
/// Words that are listed of a topic ...
const TERMS: usize = 8;
/// ... and that name it.
const NAME: usize = 3;
/// Weight of the whole in a topic's shares, in records.
const PRIOR: f64 = 10.0;

/// The words of a record that count, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRow {
    /// Words by number, ascending.
    pub columns: Vec<u32>,
    /// Their weights, above 0.
    pub values: Vec<f32>,
}

/// A word that sets a topic apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopicTerm {
    /// The word.
    pub term: String,
    /// How much more the topic's records have it than the others: the logarithm of the ratio of odds,
    /// above 0.
    pub log_odds: f64,
}

/// Records that share their words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topic {
    /// Its most characteristic words, such as `card, bank, pay`.
    pub name: String,
    /// Up to eight words that set it apart, the most certain first.
    pub terms: Vec<TopicTerm>,
    /// Records of it.
    pub records: usize,
}

/// The topics of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topics {
    /// The largest first.
    pub topics: Vec<Topic>,
    /// Mean silhouette of the records, in \[-1, 1\]; higher is better apart. Near 0 the texts have one
    /// topic, or very many, and these groups are a convention.
    pub silhouette: f64,
    /// Records without a word that counts.
    pub unassigned: usize,
}

/// Topics and the records of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicAssignment {
    /// The topics.
    pub topics: Topics,
    /// The topic of each record by its place in `topics`; `None` without a word that counts.
    pub of_record: Vec<Option<usize>>,
}

/// Weights (1 + ln tf) · ln²((1 + n)/(1 + df)) of the words of records, which come as the numbers below
/// `words` of their tokens. Rarity counts twice, as frequent words tell how something is said rather than
/// what it is about. Words of a single record tell nothing of what records share and are left out.
pub fn tf_idf(records: &[Vec<u32>], words: usize) -> Vec<SparseRow> {
    let counted: Vec<Vec<(u32, usize)>> = records
        .iter()
        .map(|tokens| {
            let mut tokens = tokens.clone();
            tokens.sort_unstable();
            tokens.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect()
        })
        .collect();
    let mut holding = vec![0usize; words];
    for (word, _) in counted.iter().flatten() {
        holding[*word as usize] += 1;
    }
    let row = |counts: Vec<(u32, usize)>| {
        let mut row = SparseRow::default();
        for (word, count) in counts {
            let holding = holding[word as usize];
            let rarity = ((1 + records.len()) as f64 / (1 + holding) as f64).ln();
            if holding > 1 && rarity > 0.0 {
                row.columns.push(word);
                row.values.push(((1.0 + (count as f64).ln()) * rarity * rarity) as f32);
            }
        }
        row
    };
    counted.into_iter().map(row).collect()
}

/// Finds 2 to 8 topics. Rows of length 1 are projected onto their 16 leading singular directions (latent
/// semantic analysis; Deerwester et al. 1990; by subspace iteration, Halko, Martinsson and Tropp 2011),
/// in which records are alike that share no word but words' company, and clustered by cosine
/// (spherical k-means). The number of topics is that with the largest mean silhouette (Rousseeuw 1987) among
/// those whose smallest topic has at least [`MIN_TOPIC`] records. Words are ranked by the z-score of their
/// log-odds in the topic's records against all others, with the whole as prior (Monroe, Colaresi and Quinn
/// 2008).
///
/// The same rows and seed give the same topics. `None` below [`MIN_RECORDS`] rows with words, and where
/// every number of topics leaves one too small.
pub fn find_topics(rows: &[SparseRow], words: &[String], seed: u64) -> Option<TopicAssignment> {
    let places: Vec<usize> =
        (0..rows.len()).filter(|&place| !rows[place].columns.is_empty()).collect();
    if places.len() < MIN_RECORDS {
        return None;
    }
    let full: Vec<SparseRow> = places.iter().map(|&place| scaled(&rows[place])).collect();
    let units = project(&full, words.len(), seed);
    let sample = Silhouettes::new(&units, seed);
    let mut best: Option<(f64, Vec<usize>, usize)> = None;
    for wanted in TOPICS {
        let centres = centres(&units, wanted, seed);
        let clusters: Vec<usize> =
            assign(&centres, &units).into_iter().map(|(cluster, _)| cluster).collect();
        let (ranked, sizes) = largest_first(&clusters, centres.len());
        if sizes.len() < 2 || sizes.iter().any(|size| *size < MIN_TOPIC) {
            continue;
        }
        let silhouette = sample.mean(&ranked, sizes.len());
        // The first of equals: fewer topics.
        if best.as_ref().is_none_or(|best| silhouette > best.0) {
            best = Some((silhouette, ranked, sizes.len()));
        }
    }
    let (silhouette, clusters, count) = best?;
    let topics = describe(&full, &clusters, count, words);
    let mut of_record = vec![None; rows.len()];
    for (&place, &cluster) in places.iter().zip(&clusters) {
        of_record[place] = Some(cluster);
    }
    let unassigned = rows.len() - places.len();
    Some(TopicAssignment { topics: Topics { topics, silhouette, unassigned }, of_record })
}

/// At length 1.
fn scaled(row: &SparseRow) -> SparseRow {
    let values = unit(&row.values).unwrap_or_else(|| vec![0.0; row.values.len()]);
    SparseRow { columns: row.columns.clone(), values }
}

/// Rows in the space of their leading singular directions, at length 1. A row that has no part in them
/// becomes the mean direction of all.
fn project(rows: &[SparseRow], words: usize, seed: u64) -> Matrix {
    let mut rng = random::stream(seed, "topics");
    let mut directions: Vec<Vec<f64>> = (0..DIRECTIONS.min(rows.len()).min(words))
        .map(|_| (0..words).map(|_| random::normal(&mut rng)).collect())
        .collect();
    for _ in 0..ROUNDS {
        let mut images: Vec<Vec<f64>> =
            directions.iter().map(|direction| times(rows, direction)).collect();
        orthonormalise(&mut images);
        directions = images.iter().map(|image| transposed_times(rows, image, words)).collect();
        orthonormalise(&mut directions);
    }
    let images: Vec<Vec<f64>> = directions.iter().map(|direction| times(rows, direction)).collect();
    let row = |place: usize| images.iter().map(|image| image[place] as f32).collect::<Vec<f32>>();
    let sums = images.iter().map(|image| image.iter().sum::<f64>() as f32);
    let mean = unit(&sums.collect::<Vec<f32>>()).unwrap_or_else(|| vec![0.0; images.len()]);
    let mut units = Matrix::new(images.len());
    for place in 0..rows.len() {
        units.push(unit(&row(place)).as_ref().unwrap_or(&mean));
    }
    units
}

/// X v.
fn times(rows: &[SparseRow], vector: &[f64]) -> Vec<f64> {
    let product = |row: &SparseRow| {
        let terms = row.columns.iter().zip(&row.values);
        terms.map(|(&word, &value)| vector[word as usize] * f64::from(value)).sum()
    };
    rows.iter().map(product).collect()
}

/// Xᵀ v.
fn transposed_times(rows: &[SparseRow], vector: &[f64], words: usize) -> Vec<f64> {
    let mut product = vec![0.0; words];
    for (row, factor) in rows.iter().zip(vector) {
        for (&word, &value) in row.columns.iter().zip(&row.values) {
            product[word as usize] += factor * f64::from(value);
        }
    }
    product
}

/// Makes vectors orthogonal and of length 1 (Gram and Schmidt, modified, twice); those that depend on
/// the others are dropped.
fn orthonormalise(vectors: &mut Vec<Vec<f64>>) {
    let mut kept: Vec<Vec<f64>> = Vec::with_capacity(vectors.len());
    let length = |vector: &[f64]| vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    for mut vector in vectors.drain(..) {
        let before = length(&vector);
        for other in kept.iter().chain(&kept) {
            let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
        }
        let after = length(&vector);
        if after > 1e-8 * before {
            vector.iter_mut().for_each(|value| *value /= after);
            kept.push(vector);
        }
    }
    *vectors = kept;
}

/// Clusters numbered by size, the largest first, without empty ones, and their sizes.
fn largest_first(clusters: &[usize], count: usize) -> (Vec<usize>, Vec<usize>) {
    let mut sizes = vec![0; count];
    clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
    let mut order: Vec<usize> = (0..count).filter(|&cluster| sizes[cluster] > 0).collect();
    order.sort_by_key(|&cluster| std::cmp::Reverse(sizes[cluster]));
    let mut rank = vec![0; count];
    order.iter().enumerate().for_each(|(place, &cluster)| rank[cluster] = place);
    let ranked = clusters.iter().map(|&cluster| rank[cluster]).collect();
    (ranked, order.iter().map(|&cluster| sizes[cluster]).collect())
}

/// Distances between a sample of records.
struct Silhouettes {
    sample: Vec<usize>,
    /// 1 − cosine, row by row.
    distances: Vec<f32>,
}

impl Silhouettes {
    fn new(units: &Matrix, seed: u64) -> Self {
        let mut sample: Vec<usize> = (0..units.len()).collect();
        random::shuffle(&mut sample, &mut random::stream(seed, "silhouettes"));
        sample.truncate(SILHOUETTES);
        let row = |&a: &usize| sample.iter().map(move |&b| 1.0 - dot(units.row(a), units.row(b)));
        let distances = sample.iter().flat_map(row).collect();
        Self { sample, distances }
    }

    /// The mean of (b − a)/max(a, b) over records, a the mean distance to the record's own cluster, b that
    /// to the nearest other; 0 for a record that is alone.
    fn mean(&self, clusters: &[usize], count: usize) -> f64 {
        let size = self.sample.len();
        let mut sizes = vec![0usize; count];
        self.sample.iter().for_each(|&record| sizes[clusters[record]] += 1);
        let one = |(place, &record): (usize, &usize)| {
            let mut sums = vec![0.0; count];
            let row = &self.distances[place * size..(place + 1) * size];
            for (&other, &distance) in self.sample.iter().zip(row) {
                sums[clusters[other]] += f64::from(distance);
            }
            let own = clusters[record];
            if sizes[own] < 2 {
                return 0.0;
            }
            let within = sums[own] / (sizes[own] - 1) as f64;
            let others = (0..count).filter(|&cluster| cluster != own && sizes[cluster] > 0);
            let nearest = others.map(|cluster| sums[cluster] / sizes[cluster] as f64);
            let nearest = nearest.fold(f64::INFINITY, f64::min);
            let most = within.max(nearest);
            if most > 0.0 && most.is_finite() { (nearest - within) / most } else { 0.0 }
        };
        self.sample.iter().enumerate().map(one).sum::<f64>() / size as f64
    }
}

/// Topics with the words that set them apart.
fn describe(rows: &[SparseRow], clusters: &[usize], count: usize, words: &[String]) -> Vec<Topic> {
    let mut holding = vec![vec![0.0; words.len()]; count];
    let mut records = vec![0usize; count];
    for (row, &cluster) in rows.iter().zip(clusters) {
        records[cluster] += 1;
        row.columns.iter().for_each(|&word| holding[cluster][word as usize] += 1.0);
    }
    let all = |word: usize| holding.iter().map(|topic| topic[word]).sum::<f64>();
    let totals: Vec<f64> = (0..words.len()).map(all).collect();
    let topic = |cluster: usize| {
        let (own, others) = (records[cluster] as f64, (rows.len() - records[cluster]) as f64);
        let mut terms: Vec<(f64, f64, usize)> = (0..words.len())
            .filter(|&word| holding[cluster][word] > 0.0)
            .map(|word| {
                let share = PRIOR * totals[word] / rows.len() as f64;
                let (a, b) =
                    (holding[cluster][word] + share, totals[word] - holding[cluster][word] + share);
                let odds = |with: f64, of: f64| with / (of + PRIOR - with).max(f64::MIN_POSITIVE);
                let log_odds = (odds(a, own) / odds(b, others)).ln();
                (log_odds / (1.0 / a + 1.0 / b).sqrt(), log_odds, word)
            })
            .filter(|(_, log_odds, _)| *log_odds > 0.0 && log_odds.is_finite())
            .collect();
        terms.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
        let terms: Vec<TopicTerm> = terms
            .into_iter()
            .take(TERMS)
            .map(|(_, log_odds, word)| TopicTerm { term: words[word].clone(), log_odds })
            .collect();
        let name: Vec<&str> = terms.iter().take(NAME).map(|term| term.term.as_str()).collect();
        Topic { name: name.join(", "), terms, records: records[cluster] }
    };
    (0..count).map(topic).collect()
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
