//! Compiles `mesh.proto` into Rust; it does not need `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=sitio");
    let described = protox::compile(["sitio/mesh/v1/mesh.proto"], ["."])?;
    // Use `Bytes` for whole reports, windows and rule sets, so that they are passed on without a copy.
    let mut made = tonic_prost_build::configure().codec_path("crate::codec::MeshCodec");
    for whole in ["Up.live", "Up.window", "Down.desired"] {
        made = made.bytes(format!(".sitio.mesh.v1.{whole}"));
    }
    made.compile_fds(described)?;
    Ok(())
}
