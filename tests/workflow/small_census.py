"""Write a small Census, with the layout of the real one: `python small_census.py FOLDER`, where cellxgene-census is."""

import sys
import warnings

import anndata
import numpy as np
import pandas as pd
import scipy.sparse
import tiledbsoma
import tiledbsoma.io

N = 12
OBS = {
    "dataset_id": ["D1"] * 6 + ["D2"] * 6, "donor_id": ["p", "q"] * 6, "cell_type": ["enterocyte", "T cell"] * 6,
    "cell_type_ontology_term_id": ["CL:0000584", "CL:0000084"] * 6, "tissue": ["left colon"] * N,
    "tissue_general": ["colon"] * 9 + ["lung"] * 3, "tissue_ontology_term_id": ["UBERON:0001155"] * N,
    "disease": ["normal"] * N, "assay": ["10x 3' v3"] * N, "suspension_type": ["cell"] * N,
    "is_primary_data": [True] * 5 + [False] + [True] * 6, "raw_sum": [1.0] * N,
}  # fmt: skip
GENES = {"feature_id": ["ENSG00000119888", "ENSG00000102854"], "feature_name": ["EPCAM", "MSLN"]}


def main(folder: str) -> None:
    warnings.simplefilter("ignore")
    counts = scipy.sparse.csr_matrix(np.arange(N * 2).reshape(N, 2).astype(np.float32))
    obs = pd.DataFrame(OBS, index=[str(number) for number in range(N)])
    var = pd.DataFrame(GENES, index=["0", "1"])
    human = f"{folder}/census_data/homo_sapiens"
    with tiledbsoma.Collection.create(folder) as census:
        data = census.add_new_collection("census_data")
        adata = anndata.AnnData(counts, obs=obs, var=var)
        tiledbsoma.io.from_anndata(human, adata, measurement_name="RNA", X_layer_name="raw")
        data.set("homo_sapiens", tiledbsoma.Experiment.open(human), use_relative_uri=True)


if __name__ == "__main__":
    main(sys.argv[1])
