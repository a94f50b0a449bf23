"""What outlives a restart, told from tables of real machines and containers."""

from pathlib import Path

import pytest

from consensus.errors import ConfigError
from swarm.edge.persistence import Mount, check_persistent, find_mount

# Each has the form that its kernel wrote; names and ids are made up.
DEBIAN = """\
22 27 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
24 27 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,size=8142252k,nr_inodes=2035563,mode=755
26 27 0:23 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=1633328k,mode=755
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw,errors=remount-ro
45 27 254:2 / /home rw,relatime shared:30 - btrfs /dev/mapper/home rw,space_cache=v2,subvolid=5,subvol=/
46 27 0:41 / /tmp rw,nosuid,nodev shared:31 - tmpfs tmpfs rw,size=8166636k
47 27 8:17 / /media/my\\040disk rw,relatime shared:32 - ext4 /dev/sdb1 rw
"""
DOCKER = """\
612 501 0:55 / / rw,relatime master:288 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/d,workdir=/w
613 612 0:58 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
614 612 0:59 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
619 614 0:57 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
620 612 254:1 /var/lib/docker/volumes/peerage/_data /data rw,relatime master:1 - ext4 /dev/mapper/root rw
621 612 254:1 /var/lib/docker/containers/ab/hostname /etc/hostname rw,relatime - ext4 /dev/mapper/root rw
622 612 0:60 / /scratch rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw
"""
ROOTLESS_PODMAN = """\
700 650 0:80 / / rw,nodev,relatime - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0,group_id=0
701 700 0:81 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
702 700 0:45 /containers/storage/volumes/p/_data /data rw,relatime - btrfs /dev/vda3 rw,subvol=/home
"""
KUBERNETES = """\
900 850 0:200 / / ro,relatime master:400 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,workdir=/d
910 900 259:3 /var/lib/kubelet/pods/1/volumes/pvc/mount /data rw,relatime - xfs /dev/nvme1n1 rw,attr2,inode64
911 900 0:201 / /memory rw,relatime - tmpfs tmpfs rw,size=1048576k
"""
INITRAMFS = "1 1 0:2 / / rw - rootfs rootfs rw\n"
COVERED = """\
27 1 254:1 / / rw,relatime - ext4 /dev/root rw
28 27 0:41 / /srv rw - tmpfs tmpfs rw
29 28 254:2 / /srv rw - ext4 /dev/sdb rw
30 27 254:3 / /var rw - ext4 /dev/sdc rw
31 30 0:42 / /var rw - tmpfs tmpfs rw
"""


@pytest.fixture
def write(tmp_path: Path) -> Path:
    return tmp_path / "mountinfo"


@pytest.mark.parametrize(
    ("table", "directory"),
    [
        (DEBIAN, "/var/lib/peerage"),
        (DEBIAN, "/home/ann/.local/share/peerage/peer"),
        (DEBIAN, "/media/my disk/peer"),
        (DEBIAN, "/runner"),
        (DEBIAN, "/tmpfiles/peer"),
        (DEBIAN, "/"),
        (DOCKER, "/data"),
        (DOCKER, "/data/peer"),
        (ROOTLESS_PODMAN, "/data/peer"),
        (KUBERNETES, "/data/peer"),
        (COVERED, "/srv/peer"),
    ],
)
def test_disks_and_volumes_are_accepted(write: Path, table: str, directory: str) -> None:
    write.write_text(table)
    check_persistent(Path(directory), mountinfo=write)


@pytest.mark.parametrize(
    ("table", "directory", "words"),
    [
        (DEBIAN, "/tmp/peer", "in memory (tmpfs on /tmp)"),
        (DEBIAN, "/run/peerage", "in memory (tmpfs on /run)"),
        (DEBIAN, "/dev/peer", "in memory (devtmpfs on /dev)"),
        (DOCKER, "/root/.local/share/peerage/peer", "own layer (overlay on /)"),
        (DOCKER, "/database", "own layer"),
        (DOCKER, "/scratch/peer", "in memory (tmpfs on /scratch)"),
        (DOCKER, "/dev/shm/peer", "in memory (tmpfs on /dev/shm)"),
        (ROOTLESS_PODMAN, "/root/peer", "own layer (fuse.fuse-overlayfs on /)"),
        (KUBERNETES, "/home/peer", "own layer"),
        (KUBERNETES, "/memory/peer", "in memory"),
        (INITRAMFS, "/data", "in memory (rootfs on /)"),
        (COVERED, "/var/peer", "in memory (tmpfs on /var)"),
    ],
)
def test_memory_and_layers_are_refused(write: Path, table: str, directory: str, words: str) -> None:
    write.write_text(table)
    with pytest.raises(ConfigError) as caught:
        check_persistent(Path(directory), mountinfo=write)
    assert words in caught.value.message
    assert "-v peerage:/data" in caught.value.remedy
    check_persistent(Path(directory), allow_volatile=True, mountinfo=write)


def test_a_link_is_followed_and_a_missing_directory_is_where_it_would_be(tmp_path: Path, write: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    (tmp_path / "link").symlink_to(memory)
    write.write_text(f"1 1 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {memory} rw - tmpfs tmpfs rw\n")
    assert find_mount(tmp_path / "link" / "peer", write).type == "tmpfs"
    assert find_mount(tmp_path / "disk" / "peer", write).type == "ext4"


@pytest.mark.parametrize(
    "table", ["", "nonsense\n", "1 2 3 - x\n", "5 1 8:1 / /elsewhere rw - ext4 /dev/sda rw\n"]
)
def test_a_table_that_says_nothing_is_no_assurance(write: Path, table: str) -> None:
    write.write_text(table)
    with pytest.raises(ConfigError, match="cannot tell") as caught:
        check_persistent(Path("/data"), mountinfo=write)
    assert "--allow-volatile" in caught.value.remedy


def test_without_a_table_there_is_no_assurance(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        check_persistent(Path("/data"), mountinfo=tmp_path / "missing")


def test_bytes_that_are_no_text_are_names_too(write: Path) -> None:
    write.write_bytes(b"1 1 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /\xff rw - tmpfs tmpfs rw\n")
    assert find_mount(Path("/data"), write).type == "ext4"
    assert find_mount(Path("/\udcff/data"), write).type == "tmpfs"


def test_this_machine_s_own_table_is_read() -> None:
    assert find_mount(Path("/proc/self/")).type == "proc"
    assert isinstance(find_mount(Path.cwd()), Mount)
