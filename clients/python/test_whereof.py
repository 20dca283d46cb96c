"""The client against the server that WHEREOF_SERVER names."""

import unittest
from pathlib import Path

import pandas

from whereof import Dataset, JobFailed, Model, Problem, Whereof

REVIEWS = Path(__file__).parents[2] / "demo" / "reviews.csv"
TASK = {"type": "text_classification", "text": "text", "label": "sentiment"}


class Client(unittest.TestCase):
    client: Whereof
    reviews: Dataset
    model: Model

    @classmethod
    def setUpClass(cls) -> None:
        cls.client = Whereof()
        cls.reviews = cls.client.dataset(REVIEWS)
        cls.job = cls.client.train(
            cls.reviews, TASK, name="client", split={"column": "split"}, training={"epochs": 3}
        ).wait(progress=False)
        cls.model = cls.job.model

    def test_a_data_frame_is_the_data_set_of_its_file(self) -> None:
        self.assertEqual(self.reviews.data["name"], "reviews")
        self.assertIn("<td>sentiment</td>", self.reviews._repr_html_())
        frame = pandas.DataFrame({"x": [1.5, None, 3.0], "when": pandas.to_datetime(["2026-01-01"] * 3), "y": ["a", "b", "a"]})
        made = self.client.dataset(frame, name="frame")
        self.assertEqual([column["missing"] for column in made.data["columns"]], [1, 0, 0])
        records = [{"x": 1.5, "y": "a"}, {"x": 2.5, "y": "b"}]
        self.assertEqual(self.client.dataset(records).id, self.client.dataset(pandas.DataFrame(records)).id)
        self.assertEqual(self.client.dataset({"type": "sine", "points": 20}).data["rows"], 20)
        with self.assertRaisesRegex(ValueError, "no format"):
            self.client.dataset("reviews.txt")

    def test_a_run_has_its_history(self) -> None:
        history = self.job.run.history("epoch.train_loss")
        self.assertEqual(list(history.columns), ["epoch.train_loss"])
        self.assertEqual(len(history), 3)
        self.assertTrue((history["epoch.train_loss"] > 0).all())
        self.assertIn("accuracy", self.job.run._repr_html_())
        self.assertIn("succeeded", self.job._repr_html_())

    def test_scores_are_a_frame(self) -> None:
        scores = self.model.score(["I love this backpack", "", "The ergonomics are poor"], min_confidence=0.9)
        self.assertEqual(list(scores["label"].isna()), [False, True, False])
        self.assertLess(scores["tokens coverage"][2], 1.0)
        self.assertIn("empty", scores["error"][1].lower())
        rows = self.model.score(pandas.DataFrame({"text": ["I love it", None]}))
        self.assertEqual(rows["label"].notna().tolist(), [True, False])

    def test_the_report_is_shown_and_a_remedy_applied(self) -> None:
        job = self.model.diagnose(budget={"runs": 3}, only=["too_few_epochs"], remedies=0).wait(progress=False)
        self.assertEqual(job.data["kind"], "diagnose")
        report = self.model.limitations()
        self.assertEqual(report.table()["limitation"].tolist(), ["too_few_epochs"])
        self.assertIn("srcdoc=", report._repr_html_())
        self.assertEqual(repr(report), report.data["summary"])
        if report.found():
            self.assertEqual(report.apply("too_few_epochs").wait(progress=False).status, "succeeded")
        with self.assertRaises(Problem) as refused:
            report.apply("no_such_finding")
        self.assertEqual(refused.exception.status, 404)

    def test_what_is_refused_names_the_field(self) -> None:
        with self.assertRaises(Problem) as refused:
            self.client.train(self.reviews, {**TASK, "text": "txt"})
        self.assertEqual([error["field"] for error in refused.exception.errors], ["task.text"])
        self.assertIn("task.text", str(refused.exception))

    def test_a_cancelled_job_is_no_success(self) -> None:
        job = self.client.train(self.reviews, TASK, training={"epochs": 100_000, "early_stopping": None})
        job.cancel()
        with self.assertRaises(JobFailed):
            job.wait(progress=False)


if __name__ == "__main__":
    unittest.main()
