//! What the libraries work on.

use crate::command::run_ok;
use crate::tools::workspace;
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// What `cargo metadata` says of this workspace.
    Metadata,
    /// Numbers in nested lists.
    Matrix,
    /// A model in glTF's text form.
    Model,
}

impl Input {
    /// The file in `folder`, written where it is not there yet.
    pub fn write(self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(match self {
            Input::Metadata => "metadata.json",
            Input::Matrix => "matrix.json",
            Input::Model => "model.gltf",
        });
        if path.exists() {
            return Ok(path);
        }
        let text = match self {
            Input::Metadata => metadata()?,
            Input::Matrix => matrix().to_string(),
            Input::Model => model().to_string(),
        };
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn metadata() -> Result<String> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--locked", "--format-version", "1"]).current_dir(workspace());
    Ok(run_ok(&mut command)?.stdout)
}

fn matrix() -> Value {
    let row = |i: usize| -> Vec<f64> { (0..250).map(|j| ((i * 250 + j) % 997) as f64 / 7.0).collect() };
    json!({ "matrix": (0..250).map(row).collect::<Vec<_>>() })
}

/// A scene of triangles: each a node with a mesh of its own, and all with one buffer.
fn model() -> Value {
    const COUNT: usize = 1500;
    let nodes = (0..COUNT).map(|i| {
        json!({ "name": format!("node {i}"), "mesh": i, "translation": [i as f64 / 3.0, 0.0, 1.5],
                "extras": { "index": i, "tags": ["a", "b"] } })
    });
    let meshes = (0..COUNT).map(|i| {
        json!({ "name": format!("mesh {i}"), "primitives": [{ "attributes": { "POSITION": i }, "mode": 4 }] })
    });
    let accessors = (0..COUNT).map(|_| {
        json!({ "bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3",
                "min": [0.0, 0.0, 0.0], "max": [1.0, 1.0, 0.0] })
    });
    json!({
        "asset": { "version": "2.0", "generator": "jl-bench" },
        "scene": 0,
        "scenes": [{ "nodes": (0..COUNT).collect::<Vec<_>>() }],
        "nodes": nodes.collect::<Vec<_>>(),
        "meshes": meshes.collect::<Vec<_>>(),
        "accessors": accessors.collect::<Vec<_>>(),
        "bufferViews": [{ "buffer": 0, "byteOffset": 0, "byteLength": 36, "target": 34962 }],
        // 36 bytes of zero.
        "buffers": [{ "byteLength": 36, "uri": format!("data:application/octet-stream;base64,{}", "A".repeat(48)) }]
    })
}
