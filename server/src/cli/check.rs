use super::exit::Failure;
use super::open::Opening;
pub async fn check(open: &Opening, _json: bool) -> Result<(), Failure> {
    open.load()?;
    Ok(())
}
