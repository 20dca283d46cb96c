//! Names that MLflow accepts for parameters, metrics and tags.

use std::collections::HashSet;

/// Characters of a name at most.
const LONGEST: usize = 250;

/// Gives names that MLflow accepts, each once.
///
/// It accepts letters, digits and `_ . - :` and spaces; a slash would make a folder of the name, and a
/// colon is no name on Windows. Each other character becomes `_`; where two names become one, the later
/// one gets a number.
#[derive(Debug, Default)]
pub struct Names {
    /// Taken, in lower case: some file systems do not tell cases apart.
    taken: HashSet<String>,
}

impl Names {
    /// The name for `wanted`.
    pub fn give(&mut self, wanted: &str) -> String {
        let fitting = |letter: char| letter.is_alphanumeric() || "_.- ".contains(letter);
        let name: String = wanted
            .chars()
            .map(|letter| if fitting(letter) { letter } else { '_' })
            .take(LONGEST - 5)
            .collect();
        // A name is a file: "." and ".." are folders, and an empty one is none.
        let name = match name.trim_matches('.') {
            "" => "_".to_owned(),
            _ => name,
        };
        let mut given = name.clone();
        let mut number = 1;
        while !self.taken.insert(given.to_lowercase()) {
            number += 1;
            given = format!("{name}_{number}");
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mlflow_refuses_becomes_an_underscore_and_stays_unique() {
        let mut names = Names::default();
        assert_eq!(names.give("training.epochs"), "training.epochs");
        assert_eq!(names.give("a/b"), "a_b");
        assert_eq!(names.give("a:b"), "a_b_2");
        assert_eq!(names.give("A_B"), "A_B_3");
        assert_eq!(names.give("größe (cm)"), "größe _cm_");
        assert_eq!(names.give(".."), "_");
        assert_eq!(names.give(""), "__2");
        assert_eq!(names.give(&"x".repeat(400)).len(), 245);
    }
}
