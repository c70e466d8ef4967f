//! Compiles the wire's description into Rust without needing `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=sitio");
    let described = protox::compile(["sitio/mesh/v1/mesh.proto"], ["."])?;
    // The packed numbers of a row are read where they lie, and not copied once more into a vector.
    let mut made = tonic_prost_build::configure().codec_path("crate::codec::MeshCodec");
    for packed in ["status", "hist", "extremes"] {
        made = made.bytes(format!(".sitio.mesh.v1.Stat.{packed}"));
    }
    made.compile_fds(described)?;
    Ok(())
}
