//! Uploads of images: a zip archive with a table, JSON Lines, Parquet; what is refused, and where.

use std::io::{Cursor, Write};

use serde_json::json;
use zip::write::SimpleFileOptions;

use crate::harness::{Server, refused};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";
const PNG_TEXT: &str = "iVBORw0KGgogYW5kIG1vcmU=";

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn images_come_in_a_zip_archive_or_as_text() {
    let server = Server::idle().await;
    let bytes = archive(&[
        ("cats/1.png", PNG),
        ("dogs/1.png", &[PNG, b"!"].concat()),
        ("labels.csv", b"label,image\ncat,cats/1.png\ndog,dogs/1.png\n"),
    ]);
    let answer = server.post_as("/v1/datasets?name=pets", "application/zip", bytes.clone()).await;
    let dataset = answer.value();
    assert_eq!(answer.status, 201, "{dataset}");
    assert_eq!((&dataset["rows"], &dataset["format"]), (&json!(2), &json!("zip")));
    let column = &dataset["columns"][1];
    assert_eq!((&column["name"], &column["kind"]), (&json!("image"), &json!("image")));
    assert_eq!((&column["images"]["png"], &column["images"]["damaged"]), (&json!(2), &json!(2)));
    let id = dataset["id"].as_str().unwrap();
    let records = server.get(&format!("/v1/datasets/{id}/records")).await;
    assert_eq!(records["items"][0], json!({"label": "cat", "image": PNG_TEXT}));

    let mut form =
        b"--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n"
            .to_vec();
    form.extend(&bytes);
    form.extend(b"\r\n--X--\r\n");
    let again = server.post_as("/v1/datasets", "multipart/form-data; boundary=X", form).await;
    assert_eq!((again.status.as_u16(), &again.value()["id"]), (200, &dataset["id"]));

    let second = records["items"][1]["image"].as_str().unwrap();
    let lines = format!(
        "{}\n{}\n",
        json!({"label": "cat", "image": PNG_TEXT}),
        json!({"label": "dog", "image": second})
    );
    let same = server.post_as("/v1/datasets", "application/x-ndjson", lines).await;
    assert_eq!((same.status.as_u16(), &same.value()["id"]), (200, &dataset["id"]));
}

#[tokio::test]
async fn the_profile_of_images_tells_their_sizes() {
    let server = Server::idle().await;
    let generator = json!({"type": "shapes", "images": 30, "size": 24});
    let dataset = server.post("/v1/datasets", &json!({ "generator": generator })).await.value();
    let columns = dataset["columns"].as_array().unwrap();
    let image = columns.iter().find(|column| column["name"] == "image").unwrap();
    assert_eq!(image["kind"], "image");
    let sizes = json!({"png": 30, "jpeg": 0, "damaged": 0, "width": [24, 24], "height": [24, 24]});
    assert_eq!(image["images"], sizes);
    assert!(columns.iter().all(|c| c["name"] == "image" || c.get("images").is_none()));
    let request = json!({
        "kind": "train", "dataset": dataset["id"],
        "task": {"type": "text_classification", "text": "image", "label": "labels",
            "multi_label": true},
    });
    let error = refused(&server.post("/v1/jobs", &request).await, 422, "invalid-spec", "task.text");
    assert!(error["hint"].as_str().unwrap().contains("image_classification"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_an_archive_is_said_with_its_row() {
    let server = Server::idle().await;
    let send = async |files: &[(&str, &[u8])]| {
        server.post_as("/v1/datasets", "application/zip", archive(files)).await
    };
    let code = "invalid-dataset";
    let table: &[u8] = b"file,label\na.png,x\nb.png,y\n";
    let answer = send(&[("a.png", PNG), ("labels.csv", table)]).await;
    let error = refused(&answer, 422, code, "file.file");
    assert_eq!((&error["row"], &error["column"]), (&json!(2), &json!("file")));
    assert!(error["message"].as_str().unwrap().contains("\"b.png\", which is not in the zip"));

    let answer = send(&[("a.png", PNG), ("b.png", b"GIF89a"), ("labels.csv", table)]).await;
    let error = refused(&answer, 422, code, "file.file");
    assert!(error["message"].as_str().unwrap().contains("neither PNG nor JPEG"), "{error}");

    let bomb = [PNG, &vec![0; 9 << 20]].concat();
    let answer = send(&[("a.png", PNG), ("b.png", &bomb), ("labels.csv", table)]).await;
    let error = refused(&answer, 422, code, "file.file");
    assert_eq!(error["row"], 2, "{error}");
    assert!(error["message"].as_str().unwrap().contains("one may have 8388608"), "{error}");

    let answer = send(&[("../a.png", PNG), ("labels.csv", table)]).await;
    let error = refused(&answer, 422, code, "file");
    assert!(error["message"].as_str().unwrap().contains("leads out of the archive"), "{error}");

    let answer = send(&[("a.png", PNG)]).await;
    let error = refused(&answer, 422, code, "file");
    assert!(error["message"].as_str().unwrap().contains("0 CSV tables"), "{error}");

    let answer = server.post_as("/v1/datasets", "application/zip", "no archive").await;
    refused(&answer, 422, code, "file");
    assert_eq!(server.get("/v1/datasets").await["items"], json!([]), "nothing was stored");
}
