"""Datastores and datasets against the contract's routes: uploads, downloads, versions, mounts."""

import io
import os
import pathlib
import stat
import threading
from contextlib import redirect_stdout

import pytest


from azureml.core import Dataset, Datastore
from azureml.data import FileDataset, OutputFileDatasetConfig, TabularDataset
from azureml.data.datapath import DataPath
from azureml.exceptions import ServiceException, UserErrorException
from roost import data_files, data_upload
from roost.client import RoostError


@pytest.fixture
def store(data_ws):
    return data_ws.get_default_datastore()


def test_datastores(data_ws, data_server, tmp_path):
    store = data_ws.get_default_datastore()
    assert store.name == "workspaceblobstore" == Datastore(data_ws).name == Datastore.get_default(data_ws).name and store.datastore_type == "AzureBlob"
    (tmp_path / "share").mkdir()
    share = Datastore.register_folder(data_ws, "share", tmp_path / "share", read_only=True)
    assert share.datastore_type == "AzureFile" and share.container_name == str(tmp_path / "share") and data_server.datastores["share"]["read_only"]
    assert Datastore.register_folder(data_ws, "share", f"{tmp_path}/./share/", read_only=True).name == "share"
    assert sorted(data_ws.datastores) == ["share", "workspaceblobstore", "workspacefilestore"]
    with pytest.raises(UserErrorException, match=f"a datastore 'share' already, at {tmp_path / 'share'}"):
        Datastore.register_folder(data_ws, "share", tmp_path)
    data_ws.set_default_datastore("share")
    assert data_ws.get_default_datastore().name == "share"
    with pytest.warns(UserWarning, match="register_azure_file_share: account_name, account_key have no meaning"):
        moved = Datastore.register_azure_file_share(data_ws, "share", str(tmp_path), "account", account_key="k", overwrite=True)
    assert moved.container_name == str(tmp_path) and data_ws.get_default_datastore().container_name == str(tmp_path)
    with pytest.raises(NotImplementedError, match="container_name"):
        Datastore.register_azure_blob_container(data_ws, "far", "container", "account")
    with pytest.raises(NotImplementedError, match="register_azure_data_lake_gen2 is not here"):
        Datastore.register_azure_data_lake_gen2(data_ws, "lake", "fs", "account")
    moved.unregister()
    assert "share" not in data_ws.datastores
    with pytest.raises(UserErrorException, match="there is no datastore 'share'"):
        Datastore.get(data_ws, "share")


def test_a_datastore_that_cannot_be_moved_stays(data_ws, data_server, tmp_path, monkeypatch):

    (tmp_path / "share").mkdir()
    Datastore.register_folder(data_ws, "share", tmp_path / "share").set_as_default()
    before, call = dict(data_server.datastores["share"]), data_ws._client.call

    def refusing(method, path, body=None, **more):
        if (method, path) == ("POST", "/datastores") and body["path"] == "/nowhere":
            raise RoostError("invalid_argument", "/nowhere is not there", status=400)
        return call(method, path, body, **more)

    monkeypatch.setattr(data_ws._client, "call", refusing)
    with pytest.raises(UserErrorException, match="/nowhere is not there"):
        Datastore.register_folder(data_ws, "share", "/nowhere", overwrite=True)
    after = data_server.datastores["share"]
    assert {key: after[key] for key in ("path", "read_only", "is_default")} == {key: before[key] for key in ("path", "read_only", "is_default")}
    assert data_ws.get_default_datastore().name == "share"


def test_a_folder_goes_up_and_comes_down(store, data_server, project, tmp_path):
    folder = project({"a.txt": "a", "b/c.txt": "same", "b/d.txt": "same", "empty": b"", "größe, 大.txt": "ü"}, "data")
    os.symlink(folder / "b", folder / "link")
    printed = io.StringIO()
    with redirect_stdout(printed):
        reference = store.upload(str(folder), "train/set")
    assert printed.getvalue() == "Uploaded 7 files to workspaceblobstore: 7 added, 0 were there\n"
    files = data_server.files["workspaceblobstore"]
    assert files["train/set/b/c.txt"] == files["train/set/link/d.txt"] == b"same" and files["train/set/empty"] == b"" and len(files) == 7
    assert len(data_server.blobs) == 4, "each content travels once"
    assert reference.path_on_datastore == "train/set" and reference.datastore is store

    with redirect_stdout(printed):
        assert store.download("got", prefix="train/set/b") == 2
        assert store.download("got") == 5, "what is there is left alone"
        assert store.download("slash", prefix="train/set/b/") == 2 and store.download("none", prefix="train/se/") == 0
    assert printed.getvalue().endswith("Downloaded 2 files to got\nDownloaded 5 files to got, 2 were there\nDownloaded 2 files to slash\nDownloaded 0 files to none\n")
    assert (tmp_path / "got/train/set/größe, 大.txt").read_text() == "ü"
    (tmp_path / "got/train/set/a.txt").write_text("mine")
    assert store.download("got", "train/set/a", show_progress=False) == 0 and (tmp_path / "got/train/set/a.txt").read_text() == "mine"
    assert store.download("got", "train/set/a", overwrite=True, show_progress=False) == 1 and (tmp_path / "got/train/set/a.txt").read_text() == "a"


def test_other_contents_are_left_alone_unless_overwrite(store, data_server, project):
    folder = project({f"{n}.txt": str(n) for n in range(5)}, "data")
    store.upload(folder, show_progress=False)
    (folder / "1.txt").write_text("changed")
    (folder / "5.txt").write_text("new")
    printed = io.StringIO()
    with redirect_stdout(printed):
        store.upload(folder)
    assert "1 added, 4 were there, 1 left as they were (other contents are there; overwrite=True replaces them)" in printed.getvalue()
    assert data_server.files["workspaceblobstore"]["1.txt"] == b"1" and data_server.files["workspaceblobstore"]["5.txt"] == b"new"
    store.upload(folder, overwrite=True, show_progress=False)
    assert data_server.files["workspaceblobstore"]["1.txt"] == b"changed"


def test_upload_files(store, data_server, project, tmp_path):
    folder = project({"a/x.txt": "x", "a/b/y.txt": "y", "other.txt": "o"}, "data")
    store.upload_files([str(folder / "a/x.txt"), str(folder / "a/b/y.txt")], target_path="t", show_progress=False)
    store.upload_files([folder / "a/b/y.txt"], relative_root=str(folder), show_progress=False)
    store.upload_files(["data/other.txt"], show_progress=False)
    assert sorted(data_server.files["workspaceblobstore"]) == ["a/b/y.txt", "other.txt", "t/b/y.txt", "t/x.txt"]
    for wrong, said in [(([],), "no files"), ((["nothing", "nowhere"],), "not there: nothing, nowhere"), (("data/other.txt",), "must be a list"),
                        (([folder / "other.txt"], folder / "a"), "outside of the relative_root")]:  # fmt: skip
        with pytest.raises(UserErrorException, match=said):
            store.upload_files(*wrong)


def test_what_cannot_be_uploaded_is_named(store, project, tmp_path):
    folder = project({"a.txt": "a"}, "data")
    os.symlink("nowhere", folder / "dangling")
    os.symlink(folder, folder / "loop")
    os.mkfifo(folder / "pipe")
    (folder / "line\nbreak").touch()
    with pytest.raises(UserErrorException) as caught:
        store.upload(folder)
    for said in ("dangling: the link leads nowhere", "loop: the link leads back", "pipe: is no file", r"'line\nbreak': the name is not UTF-8 or has control"):
        assert said in caught.value.message
    with pytest.raises(UserErrorException, match="no folder nothing"):
        store.upload("nothing")


def test_large_files_travel_in_batches_of_their_own(store, data_server, project, monkeypatch):
    monkeypatch.setattr(data_upload, "_KEPT_FILE", 1000)
    monkeypatch.setattr(data_upload, "_KEPT_BYTES", 1500)
    monkeypatch.setattr(data_upload, "_BATCH_FILES", 3)
    monkeypatch.setattr(data_upload, "_BATCH_BYTES", 20_000)
    contents = {f"small/{n}": os.urandom(700) for n in range(7)} | {"large": os.urandom(30_000), "middle": os.urandom(1001), "limit": os.urandom(1000)}
    store.upload(project(contents, "data"), show_progress=False)
    assert data_server.files["workspaceblobstore"] == contents
    assert data_server.requests.count(("POST", "blobs")) >= 4


def test_an_upload_that_broke_off_sends_only_what_is_missing(store, data_server, project, monkeypatch):
    monkeypatch.setattr(data_upload, "_BATCH_FILES", 10)
    folder = project({f"{n:02}": f"content {n:02}" for n in range(40)}, "data")
    whole = data_upload._Sender.send
    sent = []

    def breaks(self, batch):
        sent.append(len(batch))
        if len(sent) == 3:
            raise KeyboardInterrupt
        return whole(self, batch)

    monkeypatch.setattr(data_upload._Sender, "send", breaks)
    with pytest.raises(KeyboardInterrupt):
        store.upload(folder, show_progress=False)
    before = data_server.received_bytes
    assert len(data_server.files["workspaceblobstore"]) == 20
    monkeypatch.setattr(data_upload._Sender, "send", whole)
    store.upload(folder, show_progress=False)
    assert len(data_server.files["workspaceblobstore"]) == 40
    assert data_server.received_bytes == 2 * before, "the first half did not travel again"


def test_a_cut_connection_is_tried_again_and_progress_ends_at_the_total(store, data_server, project, monkeypatch):
    from roost import progress

    monkeypatch.setattr(data_upload, "_KEPT_FILE", 10)
    told = []
    monkeypatch.setattr(progress.Progress, "add", lambda self, files, count: told.append((files, count)))
    data_server.cut_blobs = 2
    content = os.urandom(3 << 20)
    store.upload(project({"large": content, "small": "s"}, "data"))
    assert data_server.files["workspaceblobstore"]["large"] == content
    assert [sum(each) for each in zip(*told)] == [2, len(content) + 1]


def test_a_file_that_changes_while_it_is_sent_is_named(store, project, monkeypatch):
    folder = project({"large": os.urandom(3 << 20)}, "data")
    read = data_upload._read

    def shortened(source):
        entry = read(source)
        os.truncate(source.file, 10)
        return entry

    monkeypatch.setattr(data_upload, "_read", shortened)
    with pytest.raises(UserErrorException, match="large became shorter while it was sent"):
        store.upload(folder, show_progress=False)


def test_progress_is_told_in_few_lines(monkeypatch):
    from roost.progress import Progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for out, text in ((io.StringIO(), "Up: 1 of 2 files, 1.0 KB of 2.0 MB\ndone\n"), (Terminal(), "\rUp: 1 of 2 files, 1.0 KB of 2.0 MB\rdone".ljust(66) + "\n")):
        told = Progress("Up", 2, 2 << 20, out)
        told._told -= 100
        told.add(1, 1024)
        told.add(1, 0)
        told.end("done")
        assert out.getvalue().split("\n")[0].rstrip() == text.split("\n")[0].rstrip()
        assert out.getvalue().count("\n") == text.count("\n")


# -- datasets -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def images(store, data_ws, project):
    folder = project({"train/a.png": "a", "train/b.png": "b", "train/notes.txt": "n"}, "images")
    store.upload(folder, "images", show_progress=False)
    return Dataset.File.from_files((store, "images"))


def test_a_dataset_is_found_by_name_version_and_id(data_ws, images, data_server):
    assert isinstance(images, FileDataset) and images.name is None and images.version is None and images.tags == {}
    assert Dataset.get_by_id(data_ws, images.id).to_path() == images.to_path() == ["/a.png", "/b.png", "/notes.txt"]
    first = images.register(data_ws, "birds", "two birds", {"kind": 1})
    assert (first.name, first.version, first.description, first.tags) == ("birds", 1, "two birds", {"kind": "1"})
    with pytest.raises(UserErrorException, match="a dataset 'birds' already; create_new_version=True"):
        images.register(data_ws, "birds")
    assert images.register(data_ws, "birds", create_new_version=True).version == 1
    pngs = Dataset.File.from_files(path=[(images._workspace.get_default_datastore(), "images/train/*.png")])
    second = pngs.register(data_ws, "birds", create_new_version=True)
    assert second.version == 2 and second.to_path() == ["/a.png", "/b.png"]
    assert Dataset.get_by_name(data_ws, "birds").version == FileDataset.get_by_name(data_ws, name="birds", version="latest").version == 2
    assert Dataset.get_by_name(data_ws, "birds", version=1).id == first.id
    assert {name: each.version for name, each in Dataset.get_all(data_ws).items()} == {"birds": 2} == {name: each.version for name, each in data_ws.datasets.items()}
    first.add_tags({"more": 2})
    first.remove_tags(["kind"])
    assert Dataset.get_by_name(data_ws, "birds", 1).tags == {"more": "2"} == first.tags
    assert first.update("other", {"only": "x"}).description == "other" and first.tags == {"only": "x"}
    assert first.data_changed_time.year == 2026 and repr(first) == "FileDataset(birds:1, workspaceblobstore/images)"
    second.unregister_all_versions()
    with pytest.raises(UserErrorException, match=r"there is no dataset 'birds' \(version: latest\)"):
        Dataset.get_by_name(data_ws, "birds")
    with pytest.raises(UserErrorException, match="register it first"):
        images.add_tags({"a": "b"})
    with pytest.raises(UserErrorException, match="no dataset with the id"):
        Dataset.get_by_id(data_ws, "nothing")


def test_the_forms_of_paths(data_ws, store, images, data_server):
    for path in ((store, "images"), [(store, "images")], DataPath(store, "images"), [DataPath(store, "/images/")], store.path("images"), (store, "./images")):
        assert Dataset.File.from_files(path)._paths == [{"datastore": "workspaceblobstore", "path": "images"}], path
    assert Dataset.File.from_files((store, None))._paths == Dataset.File.from_files((store, "/"))._paths == [{"datastore": "workspaceblobstore", "path": ""}]
    two = Dataset.File.from_files([(store, "images/train/a.png"), DataPath(store, "images/train/b.png")])
    assert two.to_path() == ["/a.png", "/b.png"]
    assert Dataset.File.from_files((store, "images/train/a.png"), is_file=True).to_path() == ["/a.png"]
    for path, said in [("images", "no http"), ([], "at least one"), (3, "a path is"), ((store, "nothing"), "nothing is at"), ([("x", "y")], "a path is")]:
        with pytest.raises(UserErrorException, match=said):
            Dataset.File.from_files(path)
    with pytest.raises(UserErrorException, match="has 3 files"):
        Dataset.File.from_files((store, "images"), is_file=True)
    with pytest.raises(NotImplementedError, match="partition_format"):
        Dataset.File.from_files((store, "images"), partition_format="{a}")
    late = Dataset.File.from_files((store, "nothing"), validate=False)
    assert late.id is None
    with pytest.raises(UserErrorException, match="nothing is at"):
        late.to_path()


def test_web_addresses(data_ws, data_server):
    before = len(data_server.requests)
    web = Dataset.File.from_files(["https://example.org/a.csv", "http://example.org/b.csv"])
    assert len(data_server.requests) == before and web.id is None
    registered = web.register(data_ws, "web")
    assert data_server.datasets[registered.id]["paths"] == [{"url": "https://example.org/a.csv"}, {"url": "http://example.org/b.csv"}]
    assert Dataset.File.from_files("https://example.org/a.csv")._save(data_ws)["paths"] == [{"url": "https://example.org/a.csv"}]


def test_upload_directory(data_ws, store, data_server, project):
    folder = project({"train/a.png": "a", "train/b.txt": "b", "c.png": "c", "[x].png": "d"}, "local")
    assert Dataset.File.upload_directory(str(folder), (store, "all"), show_progress=False).to_path() == ["/[x].png", "/c.png", "/train/a.png", "/train/b.txt"]
    top = Dataset.File.upload_directory(str(folder), target=DataPath(store, "top"), pattern="*.png", show_progress=False)
    assert sorted(each for each in data_server.files["workspaceblobstore"] if each.startswith("top")) == ["top/[x].png", "top/c.png"]
    assert top._paths == [{"datastore": "workspaceblobstore", "path": "top/*.png"}]
    for pattern, wanted in [("**/*.png", 3), ("**", 4), ("train/?.png", 1), ("train/[!b].*", 1), ("[[]x].png", 1), ("?.png", 1), ("train/**", 2)]:
        from azureml.data.dataset_factory import _fits

        names = ["train/a.png", "train/b.txt", "c.png", "[x].png"]
        assert sum(_fits(name, pattern) for name in names) == wanted, pattern
    with pytest.raises(UserErrorException, match="has no files that fit"):
        Dataset.File.upload_directory(str(folder), store, pattern="*.jpg")
    with pytest.raises(UserErrorException, match="the target must be"):
        Dataset.File.upload_directory(str(folder), "https://example.org/x")


def test_download(images, tmp_path, data_server):
    assert images.download("here") == ["here/a.png", "here/b.png", "here/notes.txt"]
    with pytest.raises(UserErrorException, match="here/a.png exists already; use overwrite=True"):
        images.download("here")
    (tmp_path / "here/a.png").write_text("mine")
    images.download("here", overwrite=True)
    assert (tmp_path / "here/a.png").read_text() == "a"
    (elsewhere, *_) = images.download()
    assert pathlib.Path(elsewhere).read_text() == "a" and pathlib.Path(elsewhere).parent != tmp_path
    del data_server.datasets[images.id]
    assert images.download("gone", ignore_not_found=True) == []
    with pytest.raises(UserErrorException):
        images.download("gone")


def test_what_arrives_wrong_is_not_kept(images, tmp_path, data_server, monkeypatch):
    right = data_server.get_dataset_ids_x_files_y
    monkeypatch.setattr(data_server, "get_dataset_ids_x_files_y", lambda *args: right(*args) + b"!")
    with pytest.raises(ServiceException, match="arrived with another content"):
        images.download("bad")
    assert not [each for each in (tmp_path / "bad").rglob("*") if each.is_file()]
    monkeypatch.setattr(data_server, "_page", lambda files, query: {"items": [{"path": "../out", "size": 1, "digest": None, "modified_at": None}], "next_after": None})
    with pytest.raises(ServiceException, match="outside of the folder"):
        images.download("bad", overwrite=True)
    assert not (tmp_path / "out").exists()


def test_many_small_files_come_over_few_connections(store, project, data_server, monkeypatch):
    store.upload(project({f"{n}": str(n) for n in range(100)}, "many"), show_progress=False)
    made = []
    import http.client

    connect = http.client.HTTPConnection.connect
    monkeypatch.setattr(http.client.HTTPConnection, "connect", lambda self: (made.append(threading.get_ident()), connect(self)))
    assert store.download("got", show_progress=False) == 100
    assert len(made) <= data_files._CONNECTIONS + 1


def test_mount_is_a_read_only_tree_for_a_while(images, tmp_path):
    with images.mount() as context:
        top = pathlib.Path(context.mount_point)
        assert sorted(each.name for each in top.iterdir()) == ["a.png", "b.png", "notes.txt"]
        assert stat.S_IMODE(os.stat(top / "a.png").st_mode) == 0o444 and stat.S_IMODE(os.stat(top).st_mode) == 0o555
    assert not top.exists()
    (tmp_path / "there").mkdir()
    context = images.mount(tmp_path / "there")
    context.start()
    context.start()
    assert (tmp_path / "there/a.png").read_text() == "a"
    context.stop()
    context.stop()
    assert [*(tmp_path / "there").iterdir()] == [] and stat.S_IMODE(os.stat(tmp_path / "there").st_mode) == 0o755
    (tmp_path / "there/mine").write_text("m")
    with pytest.raises(UserErrorException, match="must be an empty folder"):
        images.mount(tmp_path / "there").start()
    assert (tmp_path / "there/mine").read_text() == "m"


def test_what_is_not_there_says_so(images):
    for use, said in [
        (lambda: Dataset.Tabular.from_delimited_files("x"), "tables are kept as files"),
        (lambda: Dataset.from_pandas_dataframe(1), "tables are kept as files"),
        (lambda: TabularDataset(), "tables are kept as files"),
        (lambda: images.take(1), "FileDataset.take is not here"),
        (lambda: images.as_named_input("x").as_hdfs(), "as_hdfs"),
        (lambda: OutputFileDatasetConfig().read_delimited_files(), "tables"),
        (lambda: Dataset.get(1), "oldest kind"),
    ]:
        with pytest.raises(NotImplementedError, match=said):
            use()
    with pytest.raises(UserErrorException, match="made by Dataset.File"):
        Dataset(1)
    with pytest.raises(ImportError, match="there is no HDFS"):
        from azureml.data import HDFSOutputDatasetConfig  # noqa: F401


def test_memory_does_not_grow_with_a_file(tmp_path):
    import tracemalloc

    size = 256 << 20
    with open(tmp_path / "large", "wb") as file:
        file.truncate(size)
    sent = []  # (offset, bytes) of every connection

    class Client:
        """Breaks the first connection half way, and finds at the end of the second that the beginning was somebody else's."""

        def call(self, method, path, body, **_):
            return {"added": 1, "unchanged": 0, "missing": [file["digest"] for file in body["files"]] if len(sent) < 3 else []}

        def get(self, path):
            return {"received": size // 2 if len(sent) == 1 else 0, "complete": False}

        def put_stream(self, path, pieces, length, offset):
            half = not sent
            sent.append((offset, sum(len(piece) for piece, _ in zip(pieces, range(size // 2 // data_upload.PIECE if half else size)))))
            assert length == size - offset
            if half:
                raise RoostError("unavailable", "the connection broke")
            if offset:
                raise RoostError("invalid_argument", "another content")

    tracemalloc.start()
    try:
        data_upload.upload(Client(), "x", data_upload.find_files(tmp_path), overwrite=False, show_progress=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent == [(0, size // 2), (size // 2, size // 2), (0, size)] and peak < 16 << 20


def test_a_large_file_that_changed_while_it_was_sent_is_named(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(data_upload.LARGE + 1)

    class Client:
        def call(self, method, path, body, **_):
            return {"missing": [file["digest"] for file in body["files"]]}

        def get(self, path):
            return {"received": 0, "complete": False}

        def put_stream(self, path, pieces, length, offset):
            raise RoostError("invalid_argument", "another content")

    with pytest.raises(data_upload.UploadError, match="large changed while it was sent"):
        data_upload.upload(Client(), "x", data_upload.find_files(tmp_path), overwrite=False, show_progress=False)
