"""A public client of the Open Inference Protocol against the server that WHEREOF_SERVER names."""

import os
import unittest
from pathlib import Path

import numpy
import tritonclient.http as protocol

from whereof import Whereof

REVIEWS = Path(__file__).parents[2] / "demo" / "reviews.csv"


class OpenInference(unittest.TestCase):
    def setUp(self) -> None:
        self.client = protocol.InferenceServerClient(os.environ["WHEREOF_SERVER"].removeprefix("http://"))

    def test_texts_are_scored(self) -> None:
        own = Whereof()
        task = {"type": "text_classification", "text": "text", "label": "sentiment"}
        job = own.train(own.dataset(REVIEWS), task, name="protocol", split={"column": "split"}, training={"epochs": 3})
        job.wait(progress=False)
        self.assertTrue(self.client.is_server_live() and self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("protocol"))
        self.assertFalse(self.client.is_model_ready("nothing"))
        self.assertEqual(self.client.get_model_metadata("protocol")["inputs"][0]["name"], "text")
        texts = ["I love this backpack", "Es ist überhaupt nicht gut"]
        expected = job.model.score(texts)
        for binary in (True, False):
            tensor = protocol.InferInput("text", [2], "BYTES")
            tensor.set_data_from_numpy(numpy.array(texts, dtype=object), binary_data=binary)
            answer = self.client.infer("protocol", [tensor], request_id="1")
            self.assertEqual(answer.as_numpy("label").tolist(), expected["label"].tolist())
            self.assertEqual(answer.as_numpy("accepted").tolist(), expected["accepted"].tolist())
            numpy.testing.assert_allclose(answer.as_numpy("confidence"), expected["confidence"], rtol=1e-6)
            self.assertEqual(answer.as_numpy("probabilities").shape, (2, 2))

    def test_rows_are_scored(self) -> None:
        own = Whereof()
        sine = own.dataset({"type": "sine", "points": 60})
        task = {"type": "tabular_regression", "features": ["x"], "target": "y"}
        own.train(sine, task, name="sine", training={"epochs": 3}).wait(progress=False)
        tensor = protocol.InferInput("x", [3, 1], "FP64")
        tensor.set_data_from_numpy(numpy.array([[1.0], [2.0], [99.0]]))
        wanted = [protocol.InferRequestedOutput("value"), protocol.InferRequestedOutput("accepted")]
        answer = self.client.infer("sine", [tensor], outputs=wanted)
        self.assertEqual(answer.as_numpy("value").shape, (3,))
        self.assertIsNone(answer.as_numpy("ood_p_value"))

    def test_what_is_refused_is_told(self) -> None:
        tensor = protocol.InferInput("text", [1], "BYTES")
        tensor.set_data_from_numpy(numpy.array(["a"], dtype=object))
        with self.assertRaisesRegex(Exception, "nothing"):
            self.client.infer("nothing", [tensor])


if __name__ == "__main__":
    unittest.main()
