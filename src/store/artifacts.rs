//! Files: datasets, models and checkpoints, each under a key, through `object_store`. Local files
//! today; the seam for S3 is the constructor.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::StoreError;

/// The folder of work in progress.
const SCRATCH: &str = "tmp";

/// Where files are kept.
#[derive(Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    /// The folder, if the store is one.
    folder: Option<Arc<LocalFileSystem>>,
    scratch: PathBuf,
}

/// A file that can be opened by path; a copy that is removed when dropped, unless the store itself
/// is a folder.
pub struct LocalFile {
    path: PathBuf,
    _copy: Option<TempPath>,
}

impl LocalFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Artifacts {
    /// Files in `folder`/artifacts.
    pub fn local(folder: &Path) -> Result<Self, StoreError> {
        let scratch = folder.join(SCRATCH);
        std::fs::create_dir_all(&scratch)?;
        let root = folder.join("artifacts");
        std::fs::create_dir_all(&root)?;
        let store = Arc::new(LocalFileSystem::new_with_prefix(root)?.with_fsync(true));
        Ok(Self { store: store.clone(), folder: Some(store), scratch })
    }

    /// Removes what is left of work in progress; call it only while no other process works there.
    pub fn clear_scratch(folder: &Path) -> Result<(), StoreError> {
        match std::fs::remove_dir_all(folder.join(SCRATCH)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // The file store writes beside the target, under its name and a number.
        let Ok(prefixes) = std::fs::read_dir(folder.join("artifacts")) else { return Ok(()) };
        for prefix in prefixes {
            let path = prefix?.path();
            if !path.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(path)? {
                let file = file?;
                if file.file_name().to_string_lossy().contains('#') {
                    std::fs::remove_file(file.path())?;
                }
            }
        }
        Ok(())
    }

    /// A new file for work in progress, on the same disk; removed when dropped.
    pub fn scratch_file(&self) -> Result<NamedTempFile, StoreError> {
        Ok(NamedTempFile::new_in(&self.scratch)?)
    }

    /// Writes a file for work in progress and removes it, to see whether that works.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let (file, path) = self.scratch_file()?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        file.write_all(&[0; 4_096]).await?;
        file.flush().await?;
        drop((file, path));
        Ok(())
    }

    /// The key of a dataset.
    pub fn dataset_key(id: &str) -> String {
        format!("datasets/{id}.jsonl")
    }

    /// The key of a model whose artifact has this SHA-256.
    pub fn model_key(sha256: &str) -> String {
        format!("models/{sha256}.safetensors")
    }

    /// Stores bytes under `prefix` and their own hash; returns the key.
    pub async fn put_hashed(&self, prefix: &str, bytes: Vec<u8>) -> Result<String, StoreError> {
        let key = format!("{prefix}/{}.safetensors", sha256(&bytes));
        self.put(&key, bytes).await?;
        Ok(key)
    }

    /// Stores bytes under a key. Readers see the old bytes or the new ones, never a part.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.store.put(&Key::from(key), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// Stores a local file under a key, piece by piece.
    pub async fn put_file(&self, key: &str, path: &Path) -> Result<(), StoreError> {
        let mut input = tokio::fs::File::open(path).await?;
        let mut output = object_store::buffered::BufWriter::new(self.store.clone(), Key::from(key));
        match tokio::io::copy(&mut input, &mut output).await {
            Ok(_) => Ok(output.shutdown().await?),
            Err(error) => {
                // The copy failed; that it cannot be cleaned up either adds nothing.
                output.abort().await.ok();
                Err(error.into())
            }
        }
    }

    /// The bytes under a key.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = self.store.get(&Key::from(key)).await?.bytes().await?;
        Ok(bytes.into())
    }

    /// The bytes under a key that [`Artifacts::put_hashed`] gave, if they still are what was stored.
    pub async fn get_hashed(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = self.get(key).await?;
        let hash = key.rsplit('/').next().and_then(|name| name.strip_suffix(".safetensors"));
        if hash == Some(sha256(&bytes).as_str()) {
            Ok(bytes)
        } else {
            Err(StoreError::ArtifactDamaged { key: key.to_owned() })
        }
    }

    /// The file under a key, to be opened by path.
    pub async fn file(&self, key: &str) -> Result<LocalFile, StoreError> {
        if let Some(folder) = &self.folder {
            let path = folder.path_to_filesystem(&Key::from(key))?;
            return if tokio::fs::try_exists(&path).await? {
                Ok(LocalFile { path, _copy: None })
            } else {
                Err(StoreError::ArtifactMissing { key: key.to_owned() })
            };
        }
        let mut copy = self.scratch_file()?;
        let stream = self.store.get(&Key::from(key)).await?.into_stream();
        let mut reader = tokio_util::io::StreamReader::new(stream);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = reader.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            copy.write_all(&buffer[..read])?;
        }
        let copy = copy.into_temp_path();
        Ok(LocalFile { path: copy.to_path_buf(), _copy: Some(copy) })
    }

    /// Removes a file; one that is not there counts as removed.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self.store.delete(&Key::from(key)).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
