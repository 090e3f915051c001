//! Root must not make files in the data folder of another user: the server could not open them any more.

use super::exit::Failure;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const ROOT: u32 = 0;

/// Refuses to go on where this process is root's and the data folder somebody else's. A folder that is not there yet
/// will be root's.
pub fn refuse_foreign_data(data_dir: &Path) -> Result<(), Failure> {
    match fs::metadata(data_dir) {
        Ok(found) => judge(effective_user(), found.uid(), data_dir, &accounts()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // For whoever opens it to report.
        Err(_) => Ok(()),
    }
}

fn judge(user: u32, owner: u32, data_dir: &Path, accounts: &str) -> Result<(), Failure> {
    if user != ROOT || owner == ROOT {
        return Ok(());
    }
    let name = name_of(owner, accounts);
    // sudo takes a number so.
    let sudo = name.clone().unwrap_or_else(|| format!("'#{owner}'"));
    let shown = name.unwrap_or_else(|| format!("user {owner}"));
    Err(Failure::refused(format!(
        "data_dir {} belongs to {shown}, and files that root makes there would lock the server out: run it as that user, \
         `sudo -u {sudo} pintle …`",
        data_dir.display()
    )))
}

/// The name of a user in `accounts`, which is as /etc/passwd.
fn name_of(user: u32, accounts: &str) -> Option<String> {
    let fields = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse::<u32>().ok()?))
    };
    accounts.lines().filter_map(fields).find(|(_, id)| *id == user).map(|(name, _)| name)
}

fn accounts() -> String {
    fs::read_to_string("/etc/passwd").unwrap_or_default()
}

fn effective_user() -> u32 {
    // SAFETY: takes nothing, changes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\npintle:x:105:110::/var/lib/pintle:/usr/sbin/nologin\n";

    #[test]
    fn root_is_refused_in_the_folder_of_another_user_and_told_whose_it_is() {
        let judged = |user, owner| judge(user, owner, Path::new("/var/lib/pintle"), ACCOUNTS);
        for (user, owner) in [(0, 0), (105, 105), (1000, 105), (1000, 0)] {
            assert!(judged(user, owner).is_ok(), "{user} {owner}");
        }
        let refused = judged(0, 105).unwrap_err();
        assert_eq!(refused.exit, Exit::Refused);
        let message = refused.to_string();
        assert!(message.contains("/var/lib/pintle belongs to pintle,"), "{message}");
        assert!(message.contains("`sudo -u pintle pintle …`"), "{message}");
        let unnamed = judged(0, 61000).unwrap_err().to_string();
        assert!(unnamed.contains("belongs to user 61000,") && unnamed.contains("sudo -u '#61000' "), "{unnamed}");
    }
}
