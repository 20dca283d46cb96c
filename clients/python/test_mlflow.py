"""MLflow reads what `whereof export mlflow` writes: its file store, and a tracking server of its own.

Needs WHEREOF_SERVER and WHEREOF_BINARY, the program.
"""

import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path
from typing import Any

# MLflow 3 reads its file store only where one says so.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient

from whereof import Whereof

REVIEWS = Path(__file__).parents[2] / "demo" / "reviews.csv"
TASK = {"type": "text_classification", "text": "text", "label": "sentiment"}


class Mlflow(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.whereof = Whereof()
        reviews = cls.whereof.dataset(REVIEWS)
        cls.job = cls.whereof.train(
            reviews, TASK, name="mlflow", split={"column": "split"}, training={"epochs": 3}
        ).wait(progress=False)
        cls.sweep = cls.whereof.submit({
            "kind": "sweep",
            "base": {"dataset": reviews.id, "task": TASK, "split": {"column": "split"}, "training": {"epochs": 2}},
            "space": {"optimizer.learning_rate": {"choice": [0.001, 0.01]}}, "strategy": {"type": "grid"},
        }).wait(progress=False)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def export(self, to: str, *more: str) -> Any:
        command = [os.environ["WHEREOF_BINARY"], "export", "mlflow", "--to", to, "--json", "--experiment", "sweeps: a try"]
        return json.loads(subprocess.run([*command, *more], check=True, capture_output=True).stdout)

    def wait_for(self, address: str, server: subprocess.Popen[bytes], log: str) -> None:
        for _ in range(1200):
            if server.poll() is not None:
                break
            try:
                with urllib.request.urlopen(address, timeout=10):
                    return
            except OSError:
                time.sleep(0.1)
        self.fail(f"MLflow's server does not answer:\n{Path(log).read_text()}")

    def check_training(self, client: MlflowClient, run_id: str) -> None:
        """A training in MLflow against what the API says of it."""
        run, ours = client.get_run(run_id), self.job.run
        self.assertEqual(run.info.status, "FINISHED")
        self.assertEqual(run.info.run_name, "mlflow")
        self.assertGreaterEqual(run.info.end_time, run.info.start_time)
        self.assertEqual(run.data.params["training.epochs"], "3")
        self.assertEqual(run.data.params["task.text"], "text")
        self.assertEqual(run.data.tags["whereof.run"], ours.id)
        self.assertEqual(run.data.tags["whereof.dataset"], self.job.data["dataset"])
        test = ours.data["metrics"]["test"]
        self.assertEqual(run.data.metrics["model.test.accuracy"], test["accuracy"])
        self.assertEqual(run.data.metrics["model.test.accuracy_interval.low"], test["accuracy_interval"][0])
        for name in ("epoch.train_loss", "validation.accuracy"):
            history = ours.history(name)[name]
            points = client.get_metric_history(run_id, name)
            self.assertEqual([point.step for point in points], list(history.index))
            self.assertEqual([point.value for point in points], list(history))
            self.assertEqual(run.data.metrics[name], history.iloc[-1])
            self.assertTrue(all(abs(point.timestamp / 1000 - time.time()) < 86_400 for point in points))

    def test_the_file_store_is_read(self) -> None:
        folder = f"{self.folder.name}/a folder/mlruns"
        exported = self.export(folder, self.job.id, self.sweep.id)
        client = MlflowClient(tracking_uri=Path(folder).as_uri())
        experiment = client.get_experiment_by_name("sweeps: a try")
        self.assertIsNotNone(client.get_experiment_by_name("Default"))
        by_run = {one["run"]: one["mlflow_run"] for one in exported["runs"]}
        self.assertEqual(len(by_run), 4)
        self.check_training(client, by_run[self.job.data["run"]])
        # The trainings of a sweep are nested below it.
        parent = by_run[self.sweep.data["run"]]
        children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{parent}'")
        self.assertEqual({run.data.params["optimizer.learning_rate"] for run in children}, {"0.001", "0.01"})
        self.assertEqual({run.info.run_name for run in children}, {"sweep 1", "sweep 2"})
        # Again it is the same runs, not more of them.
        self.assertEqual(self.export(folder, self.job.id, self.sweep.id), exported)
        self.assertEqual(len(client.search_runs([experiment.experiment_id])), 4)
        # The run as the API answered it lies beside.
        artifacts = client.list_artifacts(by_run[self.job.data["run"]])
        self.assertEqual([artifact.path for artifact in artifacts], ["run.json"])

    def test_values_that_are_not_finite_are_read(self) -> None:
        line = [{"x": x, "y": 3.0 * x} for x in range(60)]
        task = {"type": "tabular_regression", "features": ["x"], "target": "y"}
        job = self.whereof.train(
            self.whereof.dataset(line), task, training={"epochs": 30, "divergence_factor": None},
            optimizer={"type": "sgd", "learning_rate": 50.0},
        )
        try:
            job.wait(progress=False)
        except Exception:  # that it fails is what is wanted
            pass
        folder = f"{self.folder.name}/diverged"
        [exported] = self.export(folder, job.id)["runs"]
        run = MlflowClient(tracking_uri=Path(folder).as_uri()).get_run(exported["mlflow_run"])
        self.assertEqual(run.info.status, "FAILED")
        self.assertFalse(all(map(math.isfinite, run.data.metrics.values())), run.data.metrics)
        self.assertIn("diverged", run.data.tags["mlflow.note.content"].lower())

    def test_a_tracking_server_takes_them(self) -> None:
        log = open(f"{self.folder.name}/server.log", "w")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(Path(sys.executable).parent / "mlflow"), "server", "--workers", "1", "--port", str(port),
                   "--backend-store-uri", f"sqlite:///{self.folder.name}/mlflow.db"]
        address = f"http://127.0.0.1:{port}"
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self.wait_for(f"{address}/health", server, log.name)
            exported = self.export(address, self.job.id, self.sweep.id)
            client = MlflowClient(tracking_uri=address)
            by_run = {one["run"]: one["mlflow_run"] for one in exported["runs"]}
            self.check_training(client, by_run[self.job.data["run"]])
            parent = by_run[self.sweep.data["run"]]
            experiment = client.get_experiment_by_name("sweeps: a try")
            children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{parent}'")
            self.assertEqual(len(children), 2)
            again = self.export(address, self.job.id, self.sweep.id)
            self.assertTrue(all(one["kept"] for one in again["runs"]))
            self.assertEqual(len(client.search_runs([experiment.experiment_id])), 4)
        finally:
            server.terminate()
            server.wait()
            log.close()


if __name__ == "__main__":
    unittest.main()
