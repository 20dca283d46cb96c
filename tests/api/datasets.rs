//! Datasets: every way in, what is told of them, paging, deletion.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{REVIEWS, SIX, Server, endless_request, refused, train_request};

#[tokio::test]
async fn the_same_records_are_the_same_dataset_whatever_way_they_come() {
    let server = Server::idle().await;
    let first = server.post_as("/v1/datasets?name=six", "text/csv", SIX).await;
    assert_eq!(first.status, 201);
    let id = first.value()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ds_"));
    assert_eq!(first.headers["location"], format!("/v1/datasets/{id}"));

    let again = server.post_as("/v1/datasets", "text/csv; charset=utf-8", SIX).await;
    assert_eq!((again.status.as_u16(), &again.value()["id"]), (200, &json!(id)));

    let dressed = format!("\u{feff}{}", SIX.trim_end().replace('\n', "\r\n"));
    let again = server.post_as("/v1/datasets", "text/csv", dressed).await;
    assert_eq!((again.status.as_u16(), &again.value()["id"]), (200, &json!(id)), "BOM and CRLF");

    let records: Vec<Value> = SIX
        .lines()
        .skip(1)
        .map(|line| line.rsplit_once(',').unwrap())
        .map(|(text, label)| json!({"text": text.trim_matches('"'), "sentiment": label}))
        .collect();
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let array = Value::from(records.clone()).to_string();
    let whole = json!({"name": "six", "records": records}).to_string();
    for (kind, body) in [
        ("application/x-ndjson", lines.clone()),
        ("application/jsonl", lines.clone()),
        ("application/json", array),
        ("application/json", whole),
    ] {
        let answer = server.post_as("/v1/datasets", kind, body).await;
        assert_eq!((answer.status.as_u16(), &answer.value()["id"]), (200, &json!(id)), "{kind}");
    }
    for (file, body) in [("six.csv", SIX.to_owned()), ("six.jsonl", lines)] {
        let (kind, body) = form(file, &body);
        let answer = server.post_as("/v1/datasets", &kind, body).await;
        assert_eq!((answer.status.as_u16(), &answer.value()["id"]), (200, &json!(id)), "{file}");
    }
    assert_eq!(server.get("/v1/datasets").await["items"].as_array().unwrap().len(), 1);
}

fn form(file: &str, body: &str) -> (String, String) {
    let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{file}\"");
    let name = "Content-Disposition: form-data; name=\"name\"";
    let body = format!("--X\r\n{name}\r\n\r\nmine\r\n--X\r\n{head}\r\n\r\n{body}\r\n--X--\r\n");
    ("multipart/form-data; boundary=X".to_owned(), body)
}

#[tokio::test]
async fn a_form_names_its_dataset() {
    let server = Server::idle().await;
    let (kind, body) = form("six.csv", SIX);
    let dataset = server.post_as("/v1/datasets", &kind, body).await.value();
    assert_eq!(dataset["name"], "mine");
    assert_eq!(dataset["format"], "csv");
}

#[tokio::test]
async fn columns_are_described() {
    let server = Server::idle().await;
    let csv = "text,label,stars,when,extra\n\
               \"good, really\",a,5,2026-01-01,\n\
               bad,b,1,2026-01-02,x\n\
               bad,b,1,2026-01-02,x\n\
               \"line\nbreak \"\"quoted\"\"\",a,3.5,2026-01-03,y\n";
    let dataset = server.upload(csv).await;
    assert_eq!(dataset["rows"], 4);
    assert_eq!(dataset["duplicate_rows"], 1);
    let column = |name: &str| {
        let columns = dataset["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(column("label")["kind"], "category");
    assert_eq!(column("stars")["kind"], "number");
    assert_eq!(column("when")["kind"], "datetime");
    assert_eq!(column("extra")["missing"], 1);
    assert_eq!(column("text")["distinct"], 3);
    let balance = column("label")["values"].clone();
    assert_eq!(balance.as_array().unwrap().len(), 2);
    assert!(balance.as_array().unwrap().iter().all(|value| value["count"] == 2));
    assert_eq!(column("text")["characters"]["max"], 19);

    let id = dataset["id"].as_str().unwrap();
    let records = server.get(&format!("/v1/datasets/{id}/records")).await;
    assert_eq!(records["items"][3]["text"], "line\nbreak \"quoted\"");
    assert_eq!(records["items"][0]["extra"], Value::Null);
}

#[tokio::test]
async fn a_first_line_that_looks_like_a_record_is_pointed_out() {
    let server = Server::idle().await;
    let headless = SIX.split_once('\n').unwrap().1;
    let long = "text that somebody wrote in more words than a name has,label\na,b\nc,d\n";
    for (csv, word) in [(headless, "positive"), (long, "somebody")] {
        let dataset = server.upload(csv.to_owned()).await;
        let warnings = dataset["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 1, "{dataset}");
        assert_eq!(warnings[0]["code"], "header_looks_like_record");
        let message = warnings[0]["message"].as_str().unwrap();
        assert!(message.contains(word) && message.contains("before it"), "{message}");
        // It is still told when the dataset is looked up later.
        let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
        assert_eq!(server.get(&path).await["warnings"], dataset["warnings"]);
    }
    for good in [SIX, REVIEWS] {
        assert_eq!(server.upload(good).await["warnings"], json!([]));
    }
    // A key of a JSON record is a name by itself.
    let lines = "{\"a\": \"a\"}\n{\"a\": \"b\"}\n";
    let answer = server.post_as("/v1/datasets", "application/x-ndjson", lines).await;
    assert_eq!(answer.value()["warnings"], json!([]));
}

#[tokio::test]
async fn records_are_paged_through_in_order() {
    let server = Server::idle().await;
    let dataset = server.upload(REVIEWS).await;
    let path = format!("/v1/datasets/{}/records?limit=250", dataset["id"].as_str().unwrap());
    let (mut texts, mut cursor) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let page = server.get(&format!("{path}{cursor}")).await;
        assert_eq!(page["first_row"], texts.len() + 1);
        texts.extend(page["items"].as_array().unwrap().iter().map(|r| r["text"].to_string()));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((texts.len(), pages), (600, 3));
    let first = REVIEWS.lines().nth(1).unwrap();
    assert!(first.contains(&texts[0][1..20]), "{first} / {}", texts[0]);
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let server = Server::idle().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(server.upload(format!("text,label\nt{n},a\nu,b\n")).await["id"].clone());
    }
    ids.reverse();
    let first = server.get("/v1/datasets?limit=3").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/datasets?limit=3&cursor={cursor}")).await;
    assert!(rest["next_cursor"].is_null());
    let items = [&first, &rest].map(|page| page["items"].as_array().unwrap().clone()).concat();
    assert_eq!(items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>(), ids);
}

#[tokio::test]
async fn a_dataset_is_deleted_unless_a_job_needs_it() {
    let server = Server::start().await;
    let dataset = server.upload(SIX).await;
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let job = server.submit(&endless_request(&dataset)).await;
    let id = job["id"].as_str().unwrap();

    let answer = server.send(Method::DELETE, &path, &[], "").await;
    let problem = refused(&answer, 409, "in-use", "");
    assert!(problem["detail"].as_str().unwrap().contains(id), "{problem}");

    server.send(Method::POST, &format!("/v1/jobs/{id}/cancel"), &[], "").await;
    assert_eq!(server.ended(id).await["status"], "cancelled");
    assert_eq!(server.send(Method::DELETE, &path, &[], "").await.status, 204);
    refused(&server.send(Method::GET, &path, &[], "").await, 404, "not-found", "");
    refused(&server.send(Method::DELETE, &path, &[], "").await, 404, "not-found", "");
    let submit = server.post("/v1/jobs", &train_request(&dataset, None)).await;
    refused(&submit, 404, "not-found", "dataset");
    // The job's record stays, and so does what it says.
    assert_eq!(server.get(&format!("/v1/jobs/{id}")).await["dataset"], dataset["id"]);
    assert_eq!(server.upload(SIX).await["id"], dataset["id"]);
}

#[tokio::test]
async fn parquet_is_read_with_its_types() {
    let Some(bytes) = parquet() else { return };
    let server = Server::idle().await;
    let answer = server.post_as("/v1/datasets", "application/vnd.apache.parquet", bytes).await;
    assert_eq!(answer.status, 201, "{}", answer.value());
    let dataset = answer.value();
    assert_eq!((&dataset["rows"], &dataset["format"]), (&json!(3), &json!("parquet")));
    let records = format!("/v1/datasets/{}/records", dataset["id"].as_str().unwrap());
    let records = server.get(&records).await;
    assert_eq!(records["items"][1], json!({"text": "Grüße, 世界", "stars": 4}));
    assert_eq!(records["items"][2], json!({"text": null, "stars": 5}));
}

/// A table written with the library that the service reads with: two columns, a missing value.
fn parquet() -> Option<Vec<u8>> {
    use parquet::basic::Compression;
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let schema = "message t { OPTIONAL BYTE_ARRAY text (UTF8); REQUIRED INT64 stars; }";
    let schema = std::sync::Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, std::sync::Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap()?;
    let texts = ["plain", "Grüße, 世界"].map(ByteArray::from);
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 1, 0]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap()?;
    column.typed::<Int64Type>().write_batch(&[3, 4, 5], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    Some(writer.into_inner().unwrap())
}
