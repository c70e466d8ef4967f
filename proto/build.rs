//! Compiles the wire's description into Rust without needing `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=sitio");
    let described = protox::compile(["sitio/mesh/v1/mesh.proto"], ["."])?;
    tonic_prost_build::configure().codec_path("crate::codec::MeshCodec").compile_fds(described)?;
    Ok(())
}
